"""debian_root.py LINK VMRUN: make LINK name a Debian root directory, made by VMRUN's `root create` when needed.

The root is kept in the user's cache under a name that depends on the recipe, so that a clean
checkout, or a changed one, finds it again. It is built beside that name and renamed when it is
complete: an interrupted creation leaves nothing that looks finished.
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

import cache

SUITE = "bookworm"
INCLUDE = ["perl", "python3", "procps", "psmisc", "lsof", "file", "bc", "xz-utils", "ncurses-bin"]
# Debian's own files only: what differs from one debootstrap to the next would differ between tests.
RECIPE = " ".join([SUITE, "minbase", *INCLUDE, "1"])


def fail(sentence):
    print(sentence, file=sys.stderr)
    sys.exit(1)


def source_lines():
    """Yield (uri, suites, components) of each package source that this machine's apt knows."""
    folder = pathlib.Path("/etc/apt")
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))]:
        if not path.is_file():
            continue
        for line in path.read_text().splitlines():
            words = [word for word in line.split("#")[0].split() if not word.startswith("[")]
            words = [word for word in words if not word.endswith("]")]
            if len(words) >= 4 and words[0] == "deb":
                yield words[1], [words[2]], words[3:]
    for path in sorted((folder / "sources.list.d").glob("*.sources")):
        for stanza in path.read_text().split("\n\n"):
            lines = [line for line in stanza.splitlines() if not line.startswith("#")]
            fields = dict(line.split(":", 1) for line in lines if ":" in line and line[0] != " ")
            field = {name.strip().lower(): value.split() for name, value in fields.items()}
            if "deb" in field.get("types", []) and field.get("enabled") != ["no"]:
                for uri in field.get("uris", []):
                    yield uri, field.get("suites", []), field.get("components", [])


def mirror():
    """The mirror this machine's packages come from: the only one known to be reachable."""
    for uri, suites, components in source_lines():
        if SUITE in suites and "main" in components:
            return uri
    # Another Debian release on this machine: its mirror has this one too.
    for uri, suites, components in source_lines():
        if "main" in components and uri.rstrip("/").endswith("/debian"):
            return uri
    fail(f"No package source for Debian {SUITE} in /etc/apt, so its root directory cannot be made.")


def create(vmrun, root):
    """Let `vmrun root create` make it beside its name, take away what tests do not need, then rename it to root."""
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    print(f"Making a Debian {SUITE} root directory (once, a few minutes)", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix=root.name + ".", dir=root.parent) as folder:
        new = pathlib.Path(folder) / "root"
        try:
            command = [*as_root, vmrun, "root", "create", new, "--suite", SUITE, "--mirror", mirror(), "--include", ",".join(INCLUDE)]
            if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode != 0:
                fail("So there is no Debian root directory to test in.")
            # Half of the size.
            subprocess.run([*as_root, "sh", "-c", 'rm -rf "$1"/var/lib/apt/lists/*', "sh", str(new)], check=True)
            os.rename(new, root)
        finally:
            for left in [new, new.with_name("root.partial")]:
                subprocess.run([*as_root, "rm", "-rf", "--one-file-system", left])


def provide(link, name, recipe, make):
    """Make `link` name the directory that `make(directory)` fills; it is kept in the user's cache, under this name and recipe."""
    root = cache.folder() / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    cache.once(root, make)
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() or os.readlink(link) != str(root):
        link.unlink(missing_ok=True)
        link.symlink_to(root)


def complete(root):
    """What roots lack that were made by debootstrap alone, as the user's cache may have one."""
    hosts = root / "etc/hosts"
    if not hosts.exists() and os.access(hosts.parent, os.W_OK):
        hosts.write_text("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n")


if __name__ == "__main__":
    link, vmrun = map(pathlib.Path, sys.argv[1:])
    provide(link, f"debian-{SUITE}", RECIPE, lambda root: create(vmrun.resolve(), root))
    complete(link)
