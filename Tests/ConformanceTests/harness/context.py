"""Where things are in this run, and how to start a program natively or under vmrun."""

import contextlib
import os
import pathlib
import shutil
import tempfile

from harness import process
from harness.registry import Failure, check

#: Fixed, so that what a test prints does not depend on who runs it.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "SHELL": "/bin/sh",
    "TERM": "xterm",
    "LC_ALL": "C",
}


class Context:
    def __init__(self, repository, vmrun, builder, fixtures, native_only):
        self.repository = repository
        self.vmrun = vmrun
        self.builder = builder
        self.fixtures = {fixture.name: fixture for fixture in fixtures}
        self.native_only = native_only

    # Roots and fixtures

    @property
    def busybox(self):
        return self.root("busybox")

    @property
    def debian(self):
        return self.root("debian")

    def root(self, name):
        path = self.repository / "build/roots" / name
        check((path / "bin/sh").exists() or (path / "bin/sh").is_symlink(),
              f"there is no {name} root directory: 'make roots' makes it and says why when it cannot")
        return path.resolve()

    def fixture(self, name, variant="static-musl"):
        """The path of a compiled fixture, for a case that runs it in its own way."""
        fixture = self.fixtures[name]
        complaint = self.builder.build(fixture, variant)
        check(not complaint, f"{name} does not compile as {variant}", complaint)
        return self.builder.path(fixture, variant)

    # Command lines

    def under_vmrun(self, command, *options, sysroot=None):
        root = ["--sysroot", str(sysroot)] if sysroot else []
        return [str(self.vmrun), *root, *options, *map(str, command)]

    def natively(self, command, sysroot=None, mounts=True):
        """In a sysroot: under chroot, with the host's /proc and /dev in it unless mounts is false."""
        command = list(map(str, command))
        if not sysroot:
            return command
        namespaces = ["unshare", "--mount", "--propagation", "private"]
        if os.geteuid() != 0:
            namespaces.append("--map-root-user")
        # The mounts are in a namespace that ends with the command.
        script = ['mount --rbind /proc "$0/proc"', 'mount --rbind /dev "$0/dev"'] if mounts else []
        return [*namespaces, "sh", "-c", " && ".join([*script, 'exec chroot "$0" "$@"']), str(sysroot), *command]

    # Runs

    def run(self, command, *, env=None, cwd="/", **options):
        return process.run(command, env={**ENVIRONMENT, **(env or {})}, cwd=cwd, **options)

    def guest(self, command, *options, sysroot=None, **arguments):
        """Run a command under vmrun; what it leaves behind is a failure of its own."""
        result = self.run(self.under_vmrun(command, *options, sysroot=sysroot), **arguments)
        check(not result.timed_out, "vmrun: timed out", result.transcript())
        check(not result.leaked, "vmrun left processes behind: " + "; ".join(result.leaked), result.transcript())
        return result

    def same_as_native(self, command, *options, sysroot=None, normalise=lambda text: text, native_status=0,
                       mounts=True, native_command=None, reset=lambda: None, **arguments):
        """Run a command natively, then under vmrun; output and status must be the same. Return the native run.

        `native_command` is the whole command line of the native run, where `natively` does not make it. `reset` takes away
        in between what the command made.
        """
        native = self.run(native_command or self.natively(command, sysroot, mounts), **arguments)
        check(native.status == native_status, f"native: {native.describe()}", native.transcript())
        check(not native.leaked, "native: left processes behind: " + "; ".join(native.leaked))
        if self.native_only:
            return native
        reset()
        guest = self.guest(command, *options, sysroot=sysroot, **arguments)
        check(guest.status == native.status, f"vmrun: {guest.describe()}, natively {native.describe()}",
              guest.transcript())
        compare(normalise(native.stdout.decode(errors="replace")), normalise(guest.stdout.decode(errors="replace")))
        return native


def compare(native, guest):
    """Fail with the first lines that differ."""
    if native == guest:
        return
    import difflib
    lines = list(difflib.unified_diff(native.splitlines(), guest.splitlines(), "native", "vmrun", lineterm="", n=1))
    raise Failure("vmrun: other output than natively", "\n".join(lines[:40]))


@contextlib.contextmanager
def scratch(prefix="vmrun-"):
    """A directory for one test. Short, for it goes into AF_UNIX addresses; open to every user."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    try:
        path.chmod(0o1777)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
