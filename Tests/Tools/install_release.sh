#!/bin/bash
# install_release.sh LINKED TARGET: strip the linked binary into place, when it is one that can run
# guests. The guest's address space is the low part of vmrun's own, so vmrun must be position
# independent (the kernel then puts it high) and must bring no interpreter of its own.
set -eu
linked=$1 target=$2

readelf -hW "$linked" | grep -q 'Type: *DYN' || {
    echo "$linked is not position independent: it would lie where guests do. Was it linked with -static-pie?" >&2
    exit 1
}
if readelf -lW "$linked" | grep -q INTERP; then
    echo "$linked asks for a dynamic loader: the release binary must be static. Was it linked with -static-pie?" >&2
    exit 1
fi

mkdir -p "$(dirname "$target")"
# Replaced by a rename: a running vmrun keeps its file, and nobody sees half a binary.
"${STRIP:-strip}" -o "$target.new" "$linked"
cmp -s "$target.new" "$target" && rm "$target.new" || mv "$target.new" "$target"
