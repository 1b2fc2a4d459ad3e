#!/bin/bash
# build_deb.sh FOLDER: make a Debian package of what was built, FOLDER/vmrun_VERSION_ARCHITECTURE.deb.
set -eu
cd "$(dirname "$0")/../.."
folder=$1

version=$(cat build/command-docs/version)
date=$(cat build/command-docs/date)
architecture=$(dpkg --print-architecture)
maintainer='vmrun maintainers <packages@vmrun.invalid>'

# The package depends on nothing because its program does.
for program in build/vmrun build/vmrun-root build/vmrun-oci; do
    if readelf -dW "$program" | grep -q NEEDED; then
        echo "$program needs shared libraries, and this package would not depend on them" >&2
        exit 1
    fi
done

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
umask 022
DESTDIR=$stage PREFIX=/usr ZSH_COMPLETIONS=/usr/share/zsh/vendor-completions docs/packaging/install.sh install

doc=$stage/usr/share/doc/vmrun
# The copyright file says it, as Debian's packages have it.
rm "$doc/LICENSE"
install -m 644 docs/packaging/copyright "$doc/copyright"
gzip -9n "$stage/usr/share/man/man1/vmrun.1"
ln -s vmrun.1.gz "$stage/usr/share/man/man1/vmrun-root.1.gz"
ln -s vmrun.1.gz "$stage/usr/share/man/man1/vmrun-oci.1.gz"
day=$(LC_ALL=C date -u -R -d "$date")
printf 'vmrun (%s) unstable; urgency=medium\n\n  * vmrun %s.\n\n -- %s  %s\n' "$version" "$version" "$maintainer" "$day" |
    gzip -9n > "$doc/changelog.gz"
chmod 644 "$doc/changelog.gz"
install -D -m 644 docs/packaging/lintian-overrides "$stage/usr/share/lintian/overrides/vmrun"
# The same package from the same tree.
find "$stage" -exec touch -h -d "$date" {} +

size=$(du -k -s "$stage" | cut -f1)
mkdir "$stage/DEBIAN"
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" -e "s/@MAINTAINER@/$maintainer/" \
    docs/packaging/control > "$stage/DEBIAN/control"
(cd "$stage" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) > "$stage/DEBIAN/md5sums"
chmod 644 "$stage/DEBIAN"/*

mkdir -p "$folder"
SOURCE_DATE_EPOCH=$(date -u -d "$date" +%s) dpkg-deb --root-owner-group -Zxz --build "$stage" "$folder/vmrun_${version}_$architecture.deb"
