"""The kernel of an emulated x86-64 host: the distribution's own package, unpacked once into the user's cache."""

import lzma
import re
import shutil
import subprocess

import cache

#: Raised when what is kept in the cache changes.
RECIPE = "1"


def amd64_kernel(modules):
    """The folder that holds `vmlinuz` and the modules, fetched on first use."""
    def fetch(work):
        cache.command(["apt-get", "download", "-q", newest_package()], work)
        [archive] = work.glob("*.deb")
        cache.command(["dpkg", "-x", str(archive), "unpacked"], work)
        new = work / "new"
        new.mkdir()
        [image] = (work / "unpacked/boot").glob("vmlinuz-*")
        shutil.copy(image, new / "vmlinuz")
        for module in modules:
            [path] = (work / "unpacked").rglob(f"{module}.ko*")
            content = lzma.open(path).read() if path.suffix == ".xz" else path.read_bytes()
            (new / f"{module}.ko").write_bytes(content)
        return new

    return cache.kept(f"svm-kernel-{RECIPE}", fetch)


def newest_package():
    """What the distribution's `linux-image-amd64` stands for at present."""
    found = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True)
    match = re.search(r"Depends: (linux-image-\d\S*-amd64)$", found.stdout, re.MULTILINE)
    if not match:
        raise cache.Unavailable("apt knows no linux-image-amd64 package; it takes a Debian and 'apt-get update'.")
    return match[1]
