#!/bin/bash
# install.sh install|uninstall: put what was built below $DESTDIR$PREFIX, or take it away again.
set -eu
cd "$(dirname "$0")/../.."

action=$1
prefix=${DESTDIR:-}${PREFIX:-/usr/local}
zsh=${DESTDIR:-}${ZSH_COMPLETIONS:-${PREFIX:-/usr/local}/share/zsh/site-functions}

# What is installed: mode, source, target.
files() {
    cat <<LIST
755 build/vmrun $prefix/bin/vmrun
755 build/vmrun-root $prefix/bin/vmrun-root
755 build/vmrun-oci $prefix/bin/vmrun-oci
644 build/command-docs/vmrun.1 $prefix/share/man/man1/vmrun.1
644 build/command-docs/vmrun.bash $prefix/share/bash-completion/completions/vmrun
644 build/command-docs/vmrun.fish $prefix/share/fish/vendor_completions.d/vmrun.fish
644 build/command-docs/_vmrun $zsh/_vmrun
644 README.md $prefix/share/doc/vmrun/README.md
644 LICENSE $prefix/share/doc/vmrun/LICENSE
LIST
    for document in docs/*.md docs/*.svg; do
        echo "644 $document $prefix/share/doc/vmrun/docs/$(basename "$document")"
    done
}

case $action in
    install)
        files | while read -r mode source target; do
            [ -f "$source" ] || { echo "$source is not built yet: run 'make' first" >&2; exit 1; }
            install -D -m "$mode" "$source" "$target"
        done
        ;;
    uninstall)
        files | while read -r mode source target; do rm -f "$target"; done
        for folder in "$prefix/share/doc/vmrun/docs" "$prefix/share/doc/vmrun"; do
            [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder"
        done
        ;;
    *)
        echo "install.sh: call it with install or uninstall" >&2
        exit 1
        ;;
esac
