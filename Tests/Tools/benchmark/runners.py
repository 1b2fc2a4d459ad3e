"""Who runs a program: the machine itself, vmrun, and others that run Linux programs in their own way."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess

from benchmark import measure
from benchmark.measure import Failure

ROOT = pathlib.Path(__file__).resolve().parents[3]
WORK = ROOT / "build" / "bench"
FIXTURES = ROOT / "build" / "fixtures" / "static-glibc"
LOAD = str(FIXTURES / "bench" / "load")
#: Of vmrun: each turns one rung of the ladder off. Those that it does not know yet make no column.
SWITCHES = ["--no-fast-syscalls", "--no-switchless", "--no-patch"]


class Runner:
    """Something that starts a program when it is put in front of its command line."""

    def __init__(self, name, prefix, package="", isolates=True, note=""):
        self.name = name
        self.prefix = prefix
        self.package = package
        #: It keeps what it runs from the host's kernel, or behind a system of its own.
        self.isolates = isolates
        #: What is to be known of rows with children.
        self.note = note

    @property
    def is_there(self):
        return not self.prefix or shutil.which(self.prefix[0]) is not None

    def version(self):
        """As the table's heading names it."""
        if not self.package:
            return self.name
        text = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", self.package], capture_output=True, text=True,
                              check=False).stdout
        number = re.search(r"(?:\d+:)?(\d+\.\d+(?:~\d+)?)", text)
        return f"{self.name} {number[1].replace('0.0~', '')}" if number else self.name

    def capture(self, command):
        return measure.capture([*self.prefix, *command])

    def wall(self, command, runs, before=()):
        return measure.wall([*self.prefix, *command], runs, before)


class UserModeLinux(Runner):
    """A booted Linux with the host's files as its root. What it measures is measured inside: the boot is not counted."""

    OPTIONS = ["mem=1200M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", "quiet", "con=null", "con0=null,fd:1"]

    def __init__(self):
        super().__init__("UML", ["linux.uml"], "user-mode-linux")

    def capture(self, command):
        output, status, init = (WORK / f"uml.{part}" for part in ("output", "status", "init"))
        init.write_text("#!/bin/busybox sh\n"
                        "/bin/busybox mount -t proc proc /proc\n"
                        # Through its root it would give the host's own devices other owners.
                        "/bin/busybox mount -t tmpfs dev /dev\n"
                        "/bin/busybox mknod -m 666 /dev/null c 1 3\n"
                        "/bin/busybox mknod -m 666 /dev/zero c 1 5\n"
                        f"export PATH={shlex.quote(os.environ['PATH'])} HOME=/root\n"
                        f"{shlex.join(command)} > {shlex.quote(str(output))} 2> /dev/null\n"
                        f"echo $? > {shlex.quote(str(status))}\n"
                        "/bin/busybox poweroff -f\n")
        init.chmod(0o755)
        for path in (output, status):
            path.unlink(missing_ok=True)
        boot = [self.prefix[0], *self.OPTIONS, f"init={init}", f"umid=bench-{os.getpid()}"]
        try:
            measure.capture(boot)
        except Failure:
            # It ends as it likes; but one that hangs has to be ended, with the processes that it made.
            self.end()
            if not status.exists():
                raise
        if not status.exists():
            raise Failure("it did not come to an end")
        number = int(status.read_text())
        if number:
            raise Failure(measure.ending(number))
        return output.read_text(errors="replace")

    def wall(self, command, runs, before=()):
        times = []
        for value, status in re.findall(r"^timed (\S+) (\d+)$", self.capture([LOAD, "timed", str(runs), *command]), re.MULTILINE):
            if status != "0":
                raise Failure(measure.ending(os.waitstatus_to_exitcode(int(status))))
            times.append(float(value))
        if len(times) != runs:
            raise Failure("it ended early")
        return times

    @staticmethod
    def end():
        """Kills what is left of this program's machine: its processes name their umid."""
        mark = f"umid=bench-{os.getpid()}".encode()
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    if mark in pathlib.Path(f"/proc/{entry}/cmdline").read_bytes():
                        os.kill(int(entry), 9)
                except OSError:
                    continue


class GVisor(Runner):
    """runsc gives what it has for standard input and output to nobody, the host's /dev/null too: here it gets it back."""

    def __init__(self):
        rights = "--ignore-cgroups" if os.getuid() == 0 else "--rootless"
        super().__init__("gVisor (ptrace)", ["runsc", "--network=none", "--platform=ptrace", rights, "do"], "runsc")

    def capture(self, command):
        return self.kept(super().capture, command)

    def wall(self, command, runs, before=()):
        return self.kept(super().wall, command, runs, before)

    @staticmethod
    def kept(measurement, *arguments):
        owner = os.stat("/dev/null")
        try:
            return measurement(*arguments)
        finally:
            if os.getuid() == 0:
                os.chown("/dev/null", owner.st_uid, owner.st_gid)


def native():
    return Runner("native", [], isolates=False)


def vmrun(path, switches=False):
    """vmrun, and with `switches` vmrun without each of its rungs."""
    runners = [Runner("vmrun", [path])]
    for option in SWITCHES if switches else []:
        if subprocess.run([path, option, "/bin/true"], capture_output=True, check=False).returncode == 0:
            runners.append(Runner(f"vmrun {option}", [path, option]))
    return runners


def peers():
    """In the order of the table; `qemu-x86_64` is its name for every x86-64 host too."""
    return [Runner("proot", ["proot"], "proot"),
            Runner("qemu-user", ["qemu-x86_64"], "qemu-user", note="what it executes runs natively"),
            GVisor(),
            UserModeLinux(),
            Runner("bwrap (no VM)", ["bwrap", "--dev-bind", "/", "/"], "bubblewrap", isolates=False)]
