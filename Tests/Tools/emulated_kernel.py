"""The kernel of an emulated x86-64 host: the distribution's own package, unpacked once into the user's cache."""

import lzma
import re
import shutil
import subprocess
import sys

import cache
from package_root import prepare_apt

#: Raised when what is kept in the cache changes.
RECIPE = "2"
#: KVM, which the distribution's kernel has as modules.
MODULES = ["irqbypass", "ccp", "kvm", "kvm-amd", "kvm-intel"]


def amd64_kernel():
    """The folder that holds `vmlinuz` and MODULES, fetched on first use."""
    def fetch(work):
        print("Fetching Debian's amd64 kernel (once)", file=sys.stderr)
        environment = prepare_apt(work / "apt", "amd64")
        cache.command(["apt-get", "-q", "update"], work, environment)
        cache.command(["apt-get", "-q", "download", newest_kernel("linux-image-amd64", environment)], work, environment)
        [archive] = work.glob("*.deb")
        cache.command(["dpkg", "-x", str(archive), "unpacked"], work)
        new = work / "new"
        new.mkdir()
        [image] = (work / "unpacked/boot").glob("vmlinuz-*")
        shutil.copy(image, new / "vmlinuz")
        for module in MODULES:
            [path] = (work / "unpacked").rglob(f"{module}.ko*")
            content = lzma.open(path).read() if path.suffix == ".xz" else path.read_bytes()
            (new / f"{module}.ko").write_bytes(content)
        return new

    return cache.kept(f"amd64-kernel-{RECIPE}", fetch)


def module_files(names):
    """The modules as an emulated host has them: {path in its RAM disk: content}."""
    return {f"modules/{name}.ko": (amd64_kernel() / f"{name}.ko").read_bytes() for name in names}


def newest_kernel(package, environment):
    """What Debian's kernel package without a version, such as `linux-image-amd64`, stands for at present."""
    found = subprocess.run(["apt-cache", "depends", package], env=environment, capture_output=True, text=True)
    match = re.search(r"Depends: (linux-image-\d\S*)$", found.stdout, re.MULTILINE)
    if not match:
        raise cache.Unavailable(f"apt knows no {package} package.")
    return match[1]
