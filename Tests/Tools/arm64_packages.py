"""arm64_packages.py FOLDER PACKAGE...: unpack Debian's arm64 packages into FOLDER, without what they depend on.

They come with apt under a configuration of its own (package_root.py), and are kept in the user's cache: nothing is installed.
"""

import shutil
import sys

import cache
from emulated_kernel import newest_kernel
from package_root import prepare_apt

#: Raised when what is kept in the cache changes.
RECIPE = "1"
#: What the emulated hosts and the build need; they are fetched together.
PACKAGES = ["busybox-static", "libelf-dev", "zlib1g-dev", "libc6", "libgcc-s1", "qemu-user-static", "linux-image-cloud-arm64"]


def unpacked(package):
    """The folder that has the contents of one of PACKAGES, fetched on first use."""
    return cache.kept(f"arm64-packages-{RECIPE}", fetch) / package


def kernel():
    """The kernel's image; KVM is built in."""
    [image] = (unpacked("linux-image-cloud-arm64") / "boot").glob("vmlinuz-*")
    return image


def fetch(work):
    """Download and unpack all of PACKAGES below `work`."""
    print("Fetching Debian's arm64 packages (once)", file=sys.stderr)
    new = work / "new"
    new.mkdir()
    environment = prepare_apt(work / "apt", "arm64")
    cache.command(["apt-get", "-q", "update"], work, environment)
    for package in PACKAGES:
        archives = work / "archives" / package
        archives.mkdir(parents=True)
        cache.command(["apt-get", "-q", "download", real_name(package, environment)], archives, environment)
        [archive] = archives.glob("*.deb")
        cache.command(["dpkg-deb", "-x", str(archive), str(new / package)], work, environment)
    return new


def real_name(package, environment):
    return newest_kernel(package, environment) if package.startswith("linux-image-") else package


def main():
    target, *packages = sys.argv[1:]
    shutil.rmtree(target, ignore_errors=True)
    try:
        for package in packages:
            shutil.copytree(unpacked(package), target, symlinks=True, dirs_exist_ok=True)
    except cache.Unavailable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
