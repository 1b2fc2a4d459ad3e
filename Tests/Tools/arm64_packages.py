"""arm64_packages.py FOLDER PACKAGE...: unpack Debian's arm64 packages into FOLDER, without what they depend on.

They come with apt under a configuration of its own (package_root.py), and are kept in the user's cache: nothing is installed.
"""

import shutil
import sys

import cache
from debian_root import SUITE
from emulated_kernel import newest_kernel
from package_root import prepare_apt

#: Raised when what is kept in the cache changes.
RECIPE = "1"
#: What the emulated hosts and the build need; they are fetched together.
PACKAGES = ["busybox-static", "libelf-dev", "zlib1g-dev", "libc6", "libgcc-s1", "qemu-user-static", "linux-image-cloud-arm64"]
#: What the build of vmrun-oci needs beyond that.
RUNTIME_PACKAGES = ["libjansson-dev"]
#: box64 came with a later Debian than the one whose kernel is booted; it runs in a root with that one's C library.
TRANSLATOR_SUITE = "trixie"
TRANSLATOR_PACKAGES = ["box64", "libc6"]


def unpacked(package):
    """The folder that has the contents of one of PACKAGES, fetched on first use."""
    if package in RUNTIME_PACKAGES:
        return cache.kept(f"arm64-packages-oci-{RECIPE}", lambda work: fetch(work, RUNTIME_PACKAGES, SUITE)) / package
    return cache.kept(f"arm64-packages-{RECIPE}", lambda work: fetch(work, PACKAGES, SUITE)) / package


def translator(package):
    """The same of one of TRANSLATOR_PACKAGES."""
    name = f"arm64-packages-{TRANSLATOR_SUITE}-{RECIPE}"
    return cache.kept(name, lambda work: fetch(work, TRANSLATOR_PACKAGES, TRANSLATOR_SUITE)) / package


def kernel():
    """The kernel's image; KVM is built in."""
    [image] = (unpacked("linux-image-cloud-arm64") / "boot").glob("vmlinuz-*")
    return image


def fetch(work, packages, suite):
    """Download and unpack packages of Debian's `suite` below `work`."""
    print(f"Fetching arm64 packages of Debian {suite} (once)", file=sys.stderr)
    new = work / "new"
    new.mkdir()
    environment = prepare_apt(work / "apt", "arm64", suite)
    cache.command(["apt-get", "-q", "update"], work, environment)
    for package in packages:
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
