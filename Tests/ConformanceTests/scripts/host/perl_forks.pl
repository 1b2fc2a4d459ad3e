# Children from Perl: many at a time, with pipes both ways, sockets, signals, and statuses.
use strict; use warnings; use POSIX ":sys_wait_h"; use IO::Handle; use Socket;
$| = 1;
my %children;
for my $number (1 .. 50) {
    my $pid = fork // die "fork: $!";
    if ($pid == 0) { exec "/bin/sh", "-c", "exit $number" if $number % 2; POSIX::_exit($number) }
    $children{$pid} = $number;
}
my $right = 0;
while ((my $pid = wait) > 0) { $right++ if $? >> 8 == delete $children{$pid} }
print "fifty: $right, left ", scalar keys %children, "\n";

socketpair(my $mine, my $other, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
$_->autoflush(1) for $mine, $other;
if (!fork) { close $mine; while (<$other>) { chomp; print $other $_ * $_, "\n" } POSIX::_exit(0) }
close $other;
my $sum = 0;
for (1 .. 200) { print $mine "$_\n"; $sum += <$mine> }
close $mine; wait;
print "squares $sum, status $?\n";

my $seen = 0;
$SIG{CHLD} = sub { while ((my $pid = waitpid(-1, WNOHANG)) > 0) { $seen++ } };
for (1 .. 40) { defined(my $pid = fork) or die; POSIX::_exit(0) if !$pid }
my $waits = 0; while ($seen < 40 && $waits++ < 500) { select undef, undef, undef, 0.02 }
print "handled $seen\n";
$SIG{CHLD} = "DEFAULT";

my @workers = map {
    pipe(my $reader, my $writer) or die;
    my $pid = fork; my $index = $_;
    if (!$pid) { close $reader; print $writer join(",", map { $_ * $index } 1 .. 1000); close $writer; POSIX::_exit($index) }
    close $writer; [$pid, $reader]
} 1 .. 8;
for my $worker (@workers) { my $handle = $worker->[1]; my @n = split /,/, <$handle>; waitpid $worker->[0], 0; print scalar(@n), " $n[-1] ", $? >> 8, "\n" }

open(my $pipe, "-|", "for i in 1 2 3; do echo \$i; done; exit 9") or die; my @lines = <$pipe>; close $pipe;
print scalar(@lines), " lines, status ", $? >> 8, "\n";
my $text = `echo \$\$; kill -USR1 \$\$`; print "killed by ", $? & 127, "\n";
print "missing: ", system({"/nonexistent"} "x"), " ", $! + 0, "\n";
my $depth = 12; my $level = 0;
while ($level < $depth) { my $pid = fork; last if $pid == 0 && ++$level == $depth; if ($pid) { waitpid $pid, 0; POSIX::_exit(($? >> 8) + 1) if $level; print "depth ", $? >> 8, "\n"; exit 0 } }
POSIX::_exit(1);
