"""package_root.py ARCHITECTURE LINK: make LINK name a root directory of Debian's packages, unpacked and not installed.

The packages come with apt under a configuration of its own, so this machine's architectures and package lists stay as they
are. No maintainer script runs: nothing here can execute arm64 programs but what is to be tested. The root is kept in
the user's cache as debian_root.py keeps its own.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

from debian_root import SUITE, fail, mirror, provide

#: For arm64 a shell session, compilers with all that they need, tools whose output tells something, interpreters, and make.
#: For amd64 compilers alone: the host's own root has the rest.
PACKAGES = {
    "arm64": ["busybox-static", "bash", "dash", "coreutils", "grep", "sed", "gawk", "findutils", "diffutils", "tar", "gzip",
              "xz-utils", "procps", "perl-base", "python3-minimal", "libpython3-stdlib", "gcc", "libc6-dev", "tcc", "make"],
    "amd64": ["busybox-static", "dash", "coreutils", "gcc", "libc6-dev", "musl-tools", "tcc", "make"],
}
#: Raised when what `finish` does changes.
FINISH = "2"

APT_CONFIGURATION = """
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Update::Error-Mode "any";
Dir "{folder}";
Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";
Dir::Bin::Methods "/usr/lib/apt/methods";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Log "{folder}/log";
"""


def prepare_apt(folder, architecture, suite=SUITE):
    """A configuration with package lists and caches of its own; the options that name it."""
    for name in ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "cache/archives/partial",
                 "var/lib/apt/lists/partial", "log"]:
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "etc/apt/sources.list").write_text(
        f"deb [arch={architecture} signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror()} {suite} main\n")
    configuration = folder / "apt.conf"
    configuration.write_text(APT_CONFIGURATION.format(folder=folder, architecture=architecture))
    return {**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


def finish(root):
    """What the packages' scripts would have done, as far as the tests need it."""
    for name, target in [("bin/awk", "gawk"), ("bin/which", "which.debianutils")]:
        path = root / "usr" / name
        if not path.exists():
            path.unlink(missing_ok=True)
            path.symlink_to(target)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    for name in ["proc", "dev", "sys", "tmp", "root", "run", "mnt"]:
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)


def create(root, architecture):
    """Make the root beside its name and rename it when it is complete."""
    print(f"Making a root directory of Debian's {architecture} packages (once, a few minutes)", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix=root.name + ".", dir=root.parent) as name:
        folder = pathlib.Path(name)
        packages = download(folder / "apt", architecture)
        unpack(packages, folder / "root")
        finish(folder / "root")
        os.rename(folder / "root", root)


def download(folder, architecture):
    """The packages and all that they depend on."""
    environment = prepare_apt(folder, architecture)
    for command in [["update"], ["install", "--download-only", "-y", *PACKAGES[architecture]]]:
        result = subprocess.run(["apt-get", "-q", *command], env=environment, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, errors="replace")
        if result.returncode != 0:
            lines = [line for line in (result.stdout + result.stderr).splitlines() if re.match("[EW]:", line)]
            fail(f"apt-get {command[0]} failed (status {result.returncode}), so there is no {architecture} root directory to test in:\n"
                 + "\n".join(lines[-5:]))
    return sorted((folder / "cache/archives").glob("*.deb"))


def unpack(packages, root):
    # Debian's own layout: /bin and its like are links.
    for directory in ["bin", "sbin", "lib"]:
        (root / "usr" / directory).mkdir(parents=True)
        (root / directory).symlink_to(f"usr/{directory}")
    for package in packages:
        contents = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
        tar = subprocess.run(["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", root,
                              *[f"--exclude=./usr/share/{name}" for name in ["doc", "man", "locale"]]], stdin=contents.stdout)
        contents.stdout.close()
        if contents.wait() != 0 or tar.returncode != 0:
            fail(f"{package.name} cannot be unpacked.")


def main():
    architecture, link = sys.argv[1:]
    recipe = " ".join([SUITE, architecture, *PACKAGES[architecture], FINISH])
    provide(pathlib.Path(link), f"packages-{SUITE}-{architecture}", recipe, lambda root: create(root, architecture))


if __name__ == "__main__":
    main()
