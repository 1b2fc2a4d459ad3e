# A session in busybox's shell: pipes, subshells, jobs, traps, here documents, and its tools as programs of their own.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
uname -m

echo "-- pipes"
seq 1 200 | grep 7 | sort -rn | head -5 | tr '\n' ' '
echo
seq 1 5000 | awk '{ sum += $1 } END { print sum }'
seq 20 | sed -n '5,8p' | while read -r number; do echo "line $number"; done
yes | head -1000 | wc -l
dd if=/dev/zero bs=1024 count=100 2> /dev/null | md5sum

echo "-- subshells"
value=outer
(value=inner; cd /; echo "$value $(pwd)")
echo "$value"
echo "$(echo "$(echo nested) twice")"
false || echo "status $?"
(exit 7) || echo "status $?"
sh -c 'exit 9' || echo "status $?"
( (exit 3) | cat; echo "of the last in a pipe: $?")

echo "-- jobs"
for number in 1 2 3 4 5; do (sleep "0.$number"; echo "job $number" >> jobs) & done
wait
sort jobs
sleep 60 &
job=$!
kill "$job"
wait "$job"
echo "killed: $?"
sh -c 'kill -9 $$'
echo "killed itself: $?"

echo "-- traps"
trap 'echo caught USR1' USR1
kill -USR1 $$
sh -c 'trap "echo leaving" EXIT; trap "echo caught TERM; exit 5" TERM; kill $$; echo not here'
echo "status $?"
(trap '' PIPE; yes 2> /dev/null | head -1 > /dev/null; echo "pipe broken")

echo "-- files"
cat > script << END
#!/bin/sh
echo "script \$0 with \$# arguments: \$*"
exit 4
END
chmod 755 script
./script a "b c"
echo "status $?"
mkdir -p one/two/three
for name in a b c; do echo "$name" > "one/two/$name"; done
find one | sort
tar cf - one | (mkdir copy; cd copy && tar xf -)
diff -r one copy/one && echo "the same"
gzip -c script | gunzip | cmp - script && echo "gzip is right"
ln -s one/two link
ls link
mv one/two/a one/two/z
ls -1 link
readlink link
stat -c '%s %F' script
mkfifo fifo
(echo through the fifo > fifo &)
cat fifo
test -p fifo && rm fifo

echo "-- programs"
/bin/busybox echo from busybox
env -i NAME=value /bin/busybox env
xargs -n 2 echo pair: << END
1 2 3 4 5
END
find /etc -maxdepth 1 -name passwd -exec basename {} \;
nice -n 5 nice
timeout 1 sleep 10
echo "timeout: $?"
date -u -d @0 +%Y-%m-%dT%H:%M:%S
expr 6 \* 7
printf '%05d %s %x\n' 42 text 255
i=0
while [ $i -lt 30 ]; do /bin/busybox true; i=$((i + 1)); done
echo "$i programs"
