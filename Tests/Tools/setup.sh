#!/bin/bash
# Install the Debian packages that the build and the tests need, those that are missing only: on a
# machine that has them this asks dpkg once, and needs neither root nor a network.
set -eu

packages=(
    # the build: libelf and what its static archive needs, a library for JSON, the kernel's headers
    libelf-dev zlib1g-dev libjansson-dev linux-libc-dev libc6-dev gcc binutils make
    # the tests: musl for fixtures, busybox and debootstrap for roots, the harness
    musl-tools busybox-static debootstrap debian-archive-keyring python3 util-linux strace
    # a translator for programs of other processors, and a compiler for one; another compiler for this one
    qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross tcc
    # what debugs guests
    gdb
    # what a single target needs beyond that
    "$@"
)

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
    sed -n 's/^installed //p')
missing=()
for package in "${packages[@]}"; do
    grep -qx "$package" <<< "$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || {
        echo "These packages are missing and there is no sudo to install them with: ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "Installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
# A fresh machine's package lists are often older than its mirror: fetch them when the first try fails.
install() { "${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}" >&2; }
install || { "${as_root[@]}" apt-get update -q >&2 && install; }
