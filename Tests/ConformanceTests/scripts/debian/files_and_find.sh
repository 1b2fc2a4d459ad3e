# Walks: ls -R, find with tests and actions, du, stat.
cd /usr/share/doc && ls -R . | sort | md5sum
ls -lR --time-style=full-iso /etc | md5sum
ls -1 / | sort
find /etc -type f -name '*.conf' | sort | head -40
find /usr/bin -type l -printf '%p -> %l\n' | sort | head -30
find /usr/lib -xdev -type f -size +500k -printf '%s %p\n' | sort -n | tail -15
find /var/lib/dpkg/info -name '*.list' -exec wc -l {} + | tail -1
find /usr -perm -4000 | sort
stat -c '%n %F %a %U %G' /etc/passwd /tmp /bin /usr/bin/perl
readlink -f /bin/sh /etc/alternatives/awk
realpath /usr/../bin/./bash
dir=$(mktemp -d); cd "$dir"
mkdir -p a/b/c d; for i in $(seq 300); do echo "$i" > "a/b/file$i"; done
ls a/b | wc -l; find . -name 'file*5' | sort | tail -3; find . -empty | sort
cp -a a e; diff -r a e && echo same; rm -r a; find e -type f | wc -l
touch -d '2001-02-03 04:05:06 UTC' e/old; stat -c %Y e/old; find e ! -newer e/old -type f
ln -s e link; ls link/ | wc -l; cd link/b && pwd -P | sed "s|$dir||"; cd /
mv "$dir/e" "$dir/f"; ls "$dir"; du -s --apparent-size "$dir/f/b/c" | cut -f1
rm -rf "$dir"; test ! -e "$dir" && echo gone
