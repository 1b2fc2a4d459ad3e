# apt-get from end to end, with a repository of its own on loopback: its methods run as another user, dpkg unpacks beside the
# root's own database.
set -e
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

mkdir -p package/DEBIAN package/usr/bin package/etc repository lists/partial cache/archives/partial none admin/updates admin/info target
for version in 1 2; do
    printf 'Package: vmrun-test\nVersion: %s\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: a test\n' $version >package/DEBIAN/control
    echo /etc/vmrun-test >package/DEBIAN/conffiles
    echo "setting = 1" >package/etc/vmrun-test
    printf '#!/bin/sh\necho version %s\n' $version >package/usr/bin/vmrun-test
    seq $((version * 50000)) >package/usr/numbers
    chmod 755 package/usr/bin/vmrun-test
    dpkg-deb --root-owner-group -b package repository/vmrun-test_$version.deb >/dev/null
done
touch admin/status admin/available
cd repository
for file in *.deb; do
    dpkg-deb -f "$file"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$file" "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d' ' -f1)"
done >Packages
xz -k Packages
printf 'Suite: test\nDate: Mon, 01 Jan 2024 00:00:00 UTC\nSHA256:\n' >Release
for file in Packages Packages.xz; do printf ' %s %s %s\n' "$(sha256sum $file | cut -d' ' -f1)" "$(stat -c %s $file)" $file; done >>Release
# Port 0 is any free one: the server says which.
python3 -u -m http.server --bind 127.0.0.1 0 >../server.log 2>&1 &
server=$!
cd ..
until port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' server.log) && [ -n "$port" ]; do sleep 0.05; done

echo "deb [trusted=yes] http://127.0.0.1:$port ./" >sources.list
cat >apt.conf <<CONF
Dir::Etc::sourcelist "$work/sources.list"; Dir::Etc::sourceparts "$work/none"; Dir::Etc::parts "$work/none";
Dir::State::lists "$work/lists"; Dir::State::status "$work/admin/status"; Dir::State::extended_states "$work/extended";
Dir::Cache "$work/cache"; Dir::Log "$work"; APT::Architecture "amd64"; APT::Architectures { "amd64"; };
Acquire::Languages "none"; Acquire::http::Proxy "DIRECT"; Dpkg::Use-Pty "0";
Dpkg::Options { "--admindir=$work/admin"; "--instdir=$work/target"; "--force-not-root"; };
CONF
export APT_CONFIG=$work/apt.conf DEBIAN_FRONTEND=noninteractive
apt() { apt-get -q -y "$@" 2>errors >log || { cat log errors; echo "apt-get $*: failed"; }; cat errors; }
apt update
apt install vmrun-test=1
target/usr/bin/vmrun-test
echo "setting = 2" >target/etc/vmrun-test
apt dist-upgrade
target/usr/bin/vmrun-test; cat target/etc/vmrun-test; tail -1 target/usr/numbers
dpkg-query --admindir=admin -W -f '${Package} ${Version} ${Status}\n'
rm target/usr/numbers
dpkg --admindir=admin --instdir=target -V vmrun-test || true
apt install --reinstall vmrun-test; tail -1 target/usr/numbers
apt remove vmrun-test; find target -type f
apt purge vmrun-test; find target -type f
grep -c ' 200 ' server.log
kill $server; wait $server || echo "server: $?"
