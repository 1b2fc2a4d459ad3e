# dpkg's own view of the system.
dpkg -l | md5sum; dpkg -l | wc -l; dpkg -l bash coreutils | tail -2
dpkg -L bash | sort | md5sum; dpkg -S /bin/bash /usr/bin/perl; dpkg-query -W -f '${Package} ${Version}\n' | head -5
dpkg --print-architecture; dpkg --compare-versions 1.2-3 lt 1.10-1 && echo older
dpkg --verify bash; echo "verify $?"; dpkg -s libc6 | sed -n 1,6p
dir=$(mktemp -d); mkdir -p "$dir/p/DEBIAN" "$dir/p/usr/share/vmrun-test"; chmod 755 "$dir" "$dir/p" "$dir/p/DEBIAN"
printf 'Package: vmrun-test\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: a test\n' > "$dir/p/DEBIAN/control"
echo content > "$dir/p/usr/share/vmrun-test/file"
SOURCE_DATE_EPOCH=0 dpkg-deb --root-owner-group -b "$dir/p" "$dir/p.deb" | sed "s|$dir||"
dpkg-deb -I "$dir/p.deb" | tail -5; dpkg-deb -c "$dir/p.deb" | awk '{ print $1, $2, $6 }'
dpkg-deb -x "$dir/p.deb" "$dir/x"; cat "$dir/x/usr/share/vmrun-test/file"
apt-config dump | grep -c Dir; apt-cache policy 2> /dev/null | head -1
rm -rf "$dir"
