#!/bin/bash
# command_docs.sh GENERATOR FOLDER: write what the generator says into FOLDER, under the names that are installed.
set -eu
generator=$1 folder=$2
mkdir -p "$folder"
for output in man:vmrun.1 bash:vmrun.bash zsh:_vmrun fish:vmrun.fish version:version date:date; do
    "$generator" "${output%%:*}" > "$folder/${output#*:}"
done
