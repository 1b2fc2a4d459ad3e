"""programs_root.py LINK VMRUN: make LINK name a Debian root directory full of programs, installed by apt-get under VMRUN.

It begins as a copy of the root that debian_root.py makes. What apt-get, dpkg and the packages' scripts do in it they do under
vmrun: making this root is a test. It is kept in the user's cache as debian_root.py keeps its own.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

import debian_root
from debian_root import SUITE, fail, mirror, provide

#: In parts: what fails is easier to tell.
PACKAGES = [
    ["build-essential", "dpkg-dev"],
    ["git", "sqlite3", "curl", "rsync", "openssl", "vim-tiny", "ca-certificates", "attr"],
    ["python3-venv", "nginx-light", "redis-server"],
    ["default-jdk-headless"],
    ["nodejs"],
    ["golang-go"],
    ["postgresql"],
    ["debootstrap", "fakeroot"],
    ["sbcl", "luajit", "erlang-base", "ruby", "php-cli", "guile-3.0", "pypy3"],
    ["ocaml-nox", "rustc"],
    ["openssh-client", "openssh-server", "memcached", "tmux", "socat"],
]
SOURCES = ["zlib", "lua5.4", "perl"]
RECIPE = "; ".join([debian_root.RECIPE, *[" ".join(part) for part in PACKAGES], " ".join(SOURCES), "1"])

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}
#: What a machine's apt may need to know to reach its mirror.
SETTINGS = ("Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::Retries")
SECONDS = 1800


def under_vmrun(vmrun, root, *command):
    variables = [word for name, value in ENVIRONMENT.items() for word in ["--env", f"{name}={value}"]]
    return [str(vmrun), "--sysroot", str(root), "--timeout", "0", "--clear-env", *variables, *command]


def apt_get(*words):
    return ["apt-get", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *words]


def connect(root):
    """Let apt in the root reach what this machine's apt reaches."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in dump.splitlines() if line.startswith(SETTINGS)]
    (root / "etc/apt/apt.conf.d/99machine").write_text("".join(line + "\n" for line in lines))
    (root / "etc/apt/sources.list").write_text("".join(f"{kind} {mirror()} {SUITE} main\n" for kind in ["deb", "deb-src"]))
    for name in ["resolv.conf", "hosts"]:
        shutil.copy(pathlib.Path("/etc") / name, root / "etc" / name)


def create(vmrun, base, root):
    """Make the root beside its name and rename it when it is complete."""
    print("Making a Debian root directory full of programs under vmrun (once, some minutes)", file=sys.stderr)
    new = pathlib.Path(tempfile.mkdtemp(prefix=root.name + ".", dir=root.parent))
    log = root.with_suffix(".log")
    try:
        subprocess.run(["cp", "-a", f"{base}/.", new], check=True)
        connect(new)
        # No package shall start its server.
        policy = new / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        for name in ["check", "programs", "usr/src/programs"]:
            (new / name).mkdir()
        download = " ".join(["cd /usr/src/programs &&", *apt_get("source", "--download-only", *SOURCES)])
        with open(log, "wb") as output:
            for command in [apt_get("update"), *[apt_get("install", *part) for part in PACKAGES], ["sh", "-c", download],
                            apt_get("clean")]:
                status = run(under_vmrun(vmrun, new, *command), output)
                if status != 0:
                    tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
                    fail(f"'{' '.join(command)}' under vmrun: {status}. There is no root directory with programs:\n{tail}")
        new.chmod(0o755)
        new.rename(root)
        log.unlink()
    finally:
        shutil.rmtree(new, ignore_errors=True)


def run(command, output):
    """The exit status, or a word where there is none."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", timeout=SECONDS).returncode
    except subprocess.TimeoutExpired:
        return "hung"


if __name__ == "__main__":
    link, vmrun = map(pathlib.Path, sys.argv[1:])
    base = (link.parent / "debian").resolve()
    provide(link, f"debian-programs-{SUITE}", RECIPE, lambda root: create(vmrun.resolve(), base, root))
