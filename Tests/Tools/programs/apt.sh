# apt-get and dpkg: a package installed, verified, reinstalled, purged. A cache of its own, so that it must be fetched.
set -e
install() { apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o Dir::Cache="$PWD/cache" "$@" >>log 2>&1 || { tail -20 log; false; }; }
mkdir -p cache/archives/partial
chmod 755 . cache cache/archives
install update
install install hello
hello
dpkg -s hello | grep -E '^(Status|Version)'
dpkg -V hello && echo "verified"
rm /usr/bin/hello
dpkg -V hello || true
install install --reinstall hello
hello -g again
install purge hello
dpkg -s hello 2>&1 | head -1
test ! -e /usr/bin/hello && echo "gone"
dpkg --audit && echo "nothing to complain about"
apt-cache policy hello | grep -c Candidate
apt-get check -q
grep -c 'unsandboxed' log || true
