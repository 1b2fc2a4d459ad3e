# A session in bash with the GNU tools, all of them dynamic programs.
set -u
shopt -s extglob
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
uname -sm
ldd /bin/true 2> /dev/null | grep -c libc

echo "-- language"
declare -A ages=([one]=1 [two]=2)
for name in one two; do echo "$name ${ages[$name]}"; done
words=(a "b c" d)
echo "${#words[@]} ${words[1]}"
text=/usr/lib/example.tar.gz
echo "${text##*/} ${text%%.*} ${text/lib/share} ${text^^}"
echo $((2 ** 40)) $((0x7fffffffffffffff)) $((-7 / 2)) $((-7 % 3))
[[ "version 12.5" =~ ([0-9]+)\.([0-9]+) ]] && echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
printf '%s\n' {a..c}{1..2} | paste -sd' '
function add { local sum=0 n; for n; do ((sum += n)); done; echo $sum; }
add 1 2 3 4
mapfile -t lines < <(seq 3)
echo "${lines[*]}"
diff <(sort <<< $'b\na') <(printf 'a\nb\n') && echo "process substitution"

echo "-- processes"
echo one | cat | cat | cat
set -o pipefail
false | true
echo "pipefail: $?"
true | (exit 3) | true
echo "${PIPESTATUS[*]}"
for number in {1..8}; do (exit "$number") & pids[number]=$!; done
for number in {1..8}; do wait "${pids[number]}"; echo -n "$? "; done
echo
coproc DOUBLE { while read -r number; do echo $((number * 2)); done; }
echo 21 >&"${DOUBLE[1]}"
read -r answer <&"${DOUBLE[0]}"
echo "$answer"
eval "exec ${DOUBLE[1]}>&-"
wait
trap 'echo interrupted' INT
kill -INT $$
trap - INT
(ulimit -c 0; bash -c 'kill -SEGV $$') 2> /dev/null
echo "SEGV: $?"
timeout 0.2 bash -c 'while :; do :; done'
echo "timeout: $?"
exec 5> output
echo to five >&5
exec 5>&-
cat output
read -r -t 0.1 nothing < <(sleep 2) || echo "read timed out: $?"

echo "-- tools"
seq 1000 | sort -R | sort -n | md5sum
seq 100 | shuf | sort -n | tail -2
printf 'b 2\na 1\nc 3\n' | sort | cut -d' ' -f2 | paste -sd+ | sed 's/$/=6/'
seq 12 | xargs -P 3 -n 4 echo | tr ' ' '\n' | sort -n | paste -sd,
find /usr/bin -name 'b[a-c]s*' -printf '%f\n' | sort
gawk 'BEGIN { for (i = 0; i < 5; i++) s = s i; print length(s), sin(0), 2 ^ 10; "echo from a child" | getline line; print line }'
head -c 100000 /dev/zero | tr '\0' 'x' | gzip | gunzip | wc -c
head -c 300000 /dev/zero | xz | xz -d | sha256sum
mkdir tree
for i in {1..20}; do echo "$i" > "tree/file$i"; done
tar czf tree.tar.gz tree
tar tzf tree.tar.gz | wc -l
tar xzf tree.tar.gz -C /tmp --to-stdout tree/file7
du -s --apparent-size tree > /dev/null && ls tree | wc -l
stat -c '%A %s' tree/file10
cp -a tree copy && diff -r tree copy && echo "copied"
ls -l /proc/self/exe | sed 's/.*-> //'
test "$(readlink /proc/self/fd/0 | cut -c1)" && echo "has an input"
perl -e 'my %h = map { $_ => $_ ** 2 } 1 .. 5; print join(",", map { "$_=$h{$_}" } sort keys %h), "\n"; my $pid = fork; exit 6 unless $pid; waitpid $pid, 0; print $? >> 8, "\n"; print `echo from perl`'
