"""arm64_packages.py FOLDER PACKAGE...: unpack Debian's arm64 packages into FOLDER, without what they depend on.

They come with apt under a configuration of its own (package_root.py), and are kept in the user's cache: nothing is installed.
"""

import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from emulated_kernel import cache_folder
from package_root import prepare_apt

#: Raised when what is kept in the cache changes.
RECIPE = "1"
#: What the emulated hosts and the build need; they are fetched together.
PACKAGES = ["busybox-static", "libelf-dev", "zlib1g-dev", "libc6", "libgcc-s1", "qemu-user-static", "linux-image-cloud-arm64"]


class PackageError(Exception):
    pass


def unpacked(package):
    """The folder that has the contents of one of PACKAGES, fetched on first use."""
    folder = cache_folder() / f"arm64-packages-{RECIPE}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with open(folder.with_suffix(".lock"), "w") as lock:
            # Two checkouts may want it at once; the second finds what the first made.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.is_dir():
                fetch(folder)
    return folder / package


def kernel():
    """The kernel's image; KVM is built in."""
    [image] = (unpacked("linux-image-cloud-arm64") / "boot").glob("vmlinuz-*")
    return image


def fetch(folder):
    """Download and unpack beside folder, then rename: an interrupted try leaves nothing that looks finished."""
    print("Fetching Debian's arm64 packages (once)", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix=folder.name + ".", dir=folder.parent) as name:
        work = pathlib.Path(name)
        (work / "new").mkdir()
        environment = prepare_apt(work / "apt", "arm64")
        command(["apt-get", "-q", "update"], work, environment)
        for package in PACKAGES:
            archives = work / "archives" / package
            archives.mkdir(parents=True)
            command(["apt-get", "-q", "download", real_name(package, environment)], archives, environment)
            [archive] = archives.glob("*.deb")
            command(["dpkg-deb", "-x", str(archive), str(work / "new" / package)], work, environment)
        os.rename(work / "new", folder)


def real_name(package, environment):
    """Debian's kernel packages without a version stand for the newest with one."""
    if not package.startswith("linux-image-"):
        return package
    found = subprocess.run(["apt-cache", "depends", package], env=environment, capture_output=True, text=True)
    match = re.search(r"Depends: (linux-image-\d\S*)$", found.stdout, re.MULTILINE)
    if not match:
        raise PackageError(f"apt knows no {package} package for arm64.")
    return match[1]


def command(words, folder, environment):
    result = subprocess.run(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode != 0:
        raise PackageError(f"{' '.join(words)} failed:\n{result.stderr.strip()[-1000:]}")


def main():
    target, *packages = sys.argv[1:]
    shutil.rmtree(target, ignore_errors=True)
    try:
        for package in packages:
            shutil.copytree(unpacked(package), target, symlinks=True, dirs_exist_ok=True)
    except PackageError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
