# Perl: modules, regular expressions, pipes, forks, sockets, sorting.
use strict; use warnings;
use List::Util qw(sum max); use POSIX qw(floor strftime WNOHANG); use File::Temp qw(tempdir); use Socket; use IO::Handle;
$| = 1;
my %count; $count{$_ % 7}++ for 1 .. 100000; print join(",", map { "$_=$count{$_}" } sort keys %count), "\n";
my $text = "alpha beta gamma " x 1000; my $words = () = $text =~ /\b(\w+)\b/g; print "$words\n";
(my $copy = $text) =~ s/(\w+) (\w+)/$2 $1/g; print substr($copy, 0, 40), "\n";
print sum(1 .. 1000), " ", max(map { ($_ * 7919) % 1009 } 1 .. 1000), " ", floor(-2.5), "\n";
print strftime("%Y-%m-%d %H:%M:%S", gmtime(1234567890)), "\n";
my @sorted = sort { $a <=> $b } map { ($_ * 7919) % 10007 } 1 .. 10000; print "$sorted[0] $sorted[5000] $sorted[-1]\n";
my $dir = tempdir(CLEANUP => 1);
open(my $out, '>', "$dir/file") or die; print $out "line $_\n" for 1 .. 1000; close $out;
open(my $in, '<', "$dir/file") or die; my @lines = <$in>; close $in; print scalar(@lines), " $lines[-1]";
print -s "$dir/file", " ", (-d $dir ? "directory" : "no"), "\n";
pipe(my $r, my $w); my $pid = fork();
if (!$pid) { close $r; print $w "from the child $_\n" for 1 .. 3; close $w; POSIX::_exit(4) }
close $w; print <$r>; waitpid($pid, 0); print "status ", $? >> 8, "\n";
socketpair(my $one, my $two, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die; $one->autoflush(1);
print $one "over a socket\n"; print scalar <$two>;
my $output = `echo backticks; exit 3`; print $output, $? >> 8, "\n";
open(my $pipe, '-|', 'seq', '5') or die; my $total = sum(<$pipe>); close $pipe; print "$total\n";
my $signalled = 0; $SIG{USR1} = sub { $signalled++ }; kill USR1 => $$; print "signals $signalled\n";
eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 1; select(undef, undef, undef, 10) while 1 }; print $@;
eval { die { code => 42 } }; print $@->{code}, "\n";
printf "%.10f %s %x\n", atan2(1, 1) * 4, 2 ** 60, 0xdeadbeef; print join(" ", map { sprintf "%03b", $_ } 0 .. 7), "\n";
exit 6;
