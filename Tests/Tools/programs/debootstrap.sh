# A new Debian root directory, made in this one.
set -e
mirror=$(awk '$1 == "deb" { print $2; exit }' /etc/apt/sources.list)
for file in /etc/apt/apt.conf.d/99machine; do [ ! -e "$file" ] || cp "$file" .; done
debootstrap --variant=minbase bookworm "$PWD/new" "$mirror" >log 2>&1 || { tail -20 log; exit 1; }
tail -1 log
find new -xdev \( -path new/proc -o -path new/sys -o -path new/dev -o -path new/var/cache -o -path new/var/log \) -prune \
    -o -printf '%y %m %U %G %P %l\n' | grep -v -E 'var/lib/apt/lists|__pycache__' | sort >list
wc -l <list
sha256sum <list
dpkg-query --root="$PWD/new" -W -f '${Status}\n' | sort | uniq -c | tr -s ' '
chroot new sh -c 'dpkg --audit; ls / | tr "\n" " "'
