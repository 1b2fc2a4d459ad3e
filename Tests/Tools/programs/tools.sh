# What every session uses: archives, compressors, rsync, openssl, curl, dpkg.
set -e
mkdir tree
cd tree
for number in $(seq 200); do mkdir -p "d$((number % 9))/e"; seq "$number" >"d$((number % 9))/e/f$number"; done
ln -s d1/e/f1 link; ln d2/e/f2 hard; mkfifo fifo; chmod 4750 d3/e/f3; touch -d 2001-02-03T04:05:06Z d4/e/f4
truncate -s 10M sparse
setfattr -n user.colour -v blue d5/e/f5 2>/dev/null || true
cd ..
sum() { (cd "$1" && find . -printf '%y %m %s %l %p\n' | sort | sha256sum); }
find tree -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum

for compressor in gzip bzip2 xz; do
    tar --$compressor --sparse --numeric-owner -cf "tree.$compressor" tree
    mkdir "from.$compressor"
    tar --$compressor -xpf "tree.$compressor" -C "from.$compressor"
    [ "$(sum "from.$compressor/tree")" = "$(sum tree)" ] && echo "$compressor kept everything"
done
xz -T2 -9 -k -c tree.gzip | xz -dc | cmp - tree.gzip && echo "xz with threads"
rsync -aHS tree/ copied/ && [ "$(sum copied)" = "$(sum tree)" ] && echo "rsync kept everything"
echo more >>copied/d1/e/f1; rm copied/link
rsync -aH --delete --itemize-changes copied/ tree/
cp -a --reflink=auto tree again && diff -r --no-dereference tree again -x fifo && echo "cp kept everything"
find tree -newermt 2001-01-01 ! -newermt 2002-01-01 -printf '%f %TY\n'
du -s --apparent-size tree/d1 | cut -f1
split -n 4 -d tree.xz part. && cat part.* | cmp - tree.xz && echo "split and joined"
seq 100000 | sort -R | sort -n --parallel=2 -S 1M | tail -1
timeout 0.2 sleep 5 || echo "timeout: $?"
echo data | tee >(cat >tee.out) | wc -c; sleep 0.2; cat tee.out
(flock 9; echo locked) 9>lock
stdbuf -oL seq 3 | tac | paste -sd,
shuf -i 1-1000 -n 1000 | awk '{n += $1} END {print n}'
env -i A=b /usr/bin/env
fakeroot sh -c 'touch owned; chown 12:34 owned; stat -c %u:%g owned; tar --numeric-owner -cf - owned | tar --numeric-owner -tvf - | cut -d" " -f2'
nice -n 5 nice

openssl genrsa -out key.pem 2048 2>/dev/null
openssl req -x509 -new -key key.pem -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -out cert.pem
openssl verify -CAfile cert.pem cert.pem
echo secret | openssl enc -aes-256-cbc -pbkdf2 -pass pass:x | openssl enc -d -aes-256-cbc -pbkdf2 -pass pass:x
openssl s_server -accept 127.0.0.1:19443 -cert cert.pem -key key.pem -www -quiet >/dev/null 2>&1 &
server=$!
for try in $(seq 100); do curl -fsS --cacert cert.pem https://127.0.0.1:19443/ -o page 2>/dev/null && break; sleep 0.1; done
grep -c 's_server' page
kill $server; wait $server || echo "server: $?"
curl -sS "file://$PWD/tree/d1/e/f10" | tail -1
curl -sS http://127.0.0.1:1/ || echo "curl: $?"

dpkg -S /bin/bash; dpkg -L coreutils | grep -c bin/
dpkg-query -W -f '${Status}\n' | sort | uniq -c | tr -s ' '
dpkg --compare-versions 1.0~rc1 lt 1.0 && echo "rc1 before 1.0"
mkdir -p package/DEBIAN package/usr/share/programs-test
printf 'Package: programs-test\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: test\n' >package/DEBIAN/control
echo content >package/usr/share/programs-test/file
dpkg-deb --root-owner-group -b package test.deb >/dev/null
dpkg-deb -c test.deb | awk '{print $1, $2, $6}'
dpkg -x test.deb unpacked && cat unpacked/usr/share/programs-test/file
