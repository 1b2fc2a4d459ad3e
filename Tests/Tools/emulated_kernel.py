"""The kernel of an emulated x86-64 host: the distribution's own package, unpacked once into the user's cache."""

import fcntl
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

#: Raised when what is kept in the cache changes.
RECIPE = "1"


class KernelError(Exception):
    pass


def cache_folder():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "vmrun"


def amd64_kernel(modules):
    """The folder that holds `vmlinuz` and the modules, fetched on first use."""
    folder = cache_folder() / f"svm-kernel-{RECIPE}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with open(folder.with_suffix(".lock"), "w") as lock:
            # Two checkouts may want it at once; the second finds what the first made.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.is_dir():
                fetch(folder, modules)
    return folder


def fetch(folder, modules):
    """Download and unpack beside folder, then rename: an interrupted try leaves nothing that looks finished."""
    package = newest_package()
    with tempfile.TemporaryDirectory(prefix=folder.name + ".", dir=folder.parent) as name:
        work = pathlib.Path(name)
        command(["apt-get", "download", "-q", package], work)
        [archive] = work.glob("*.deb")
        command(["dpkg", "-x", str(archive), "unpacked"], work)
        new = work / "new"
        new.mkdir()
        [image] = (work / "unpacked/boot").glob("vmlinuz-*")
        shutil.copy(image, new / "vmlinuz")
        for module in modules:
            [path] = (work / "unpacked").rglob(f"{module}.ko*")
            content = lzma.open(path).read() if path.suffix == ".xz" else path.read_bytes()
            (new / f"{module}.ko").write_bytes(content)
        os.rename(new, folder)


def newest_package():
    """What the distribution's `linux-image-amd64` stands for at present."""
    found = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True)
    match = re.search(r"Depends: (linux-image-\d\S*-amd64)$", found.stdout, re.MULTILINE)
    if not match:
        raise KernelError("apt knows no linux-image-amd64 package; it takes a Debian and 'apt-get update'.")
    return match[1]


def command(words, folder):
    result = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode != 0:
        raise KernelError(f"{' '.join(words)} failed:\n{result.stderr.strip()[-1000:]}")
