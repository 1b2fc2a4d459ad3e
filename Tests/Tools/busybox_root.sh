#!/bin/bash
# busybox_root.sh DIR: make a small root directory that holds busybox and what a shell looks for.
set -eu
root=$1
busybox=$(command -v busybox) || { echo "busybox is not installed: run 'make setup'." >&2; exit 1; }
if readelf -lW "$busybox" | grep -q INTERP; then
    echo "$busybox is not static, so it cannot run in a root of its own: install busybox-static." >&2
    exit 1
fi

mkdir -p "$(dirname "$root")"
new=$(mktemp -d "$root.XXXXXX")
trap 'rm -rf "$new"' EXIT
mkdir -p "$new"/{bin,dev,etc,home,lib,mnt,proc,root,run,sbin,sys,tmp,usr/bin,usr/sbin,var/tmp}
chmod 755 "$new"
chmod 1777 "$new"/tmp "$new"/var/tmp
cp "$busybox" "$new/bin/busybox"
# Absolute links, as a distribution's: they lead nowhere unless they are followed inside the root.
"$busybox" --list-full | while read -r applet; do
    case $applet in */busybox) continue ;; esac
    mkdir -p "$new/$(dirname "$applet")"
    ln -sf /bin/busybox "$new/$applet"
done

cat > "$new/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
END
cat > "$new/etc/group" <<'END'
root:x:0:
tty:x:5:
nogroup:x:65534:
END
cat > "$new/etc/profile" <<'END'
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
END
echo busybox > "$new/etc/hostname"
echo '127.0.0.1 localhost' > "$new/etc/hosts"

rm -rf "$root"
mv "$new" "$root"
touch "$root"
