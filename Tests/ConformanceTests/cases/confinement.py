"""What vmrun gives up before the guest runs: shown from outside, and by calls made in its place."""

import errno
import os
import signal
import subprocess

from harness import injection
from harness.context import scratch
from harness.injection import landlock_version, sleeping, taken_over
from harness.registry import Skip, case, check

#: System calls of x86-64.
OPEN, SOCKET, EXECVE, CLONE, KILL, PTRACE, GETPPID, MOUNT, CHROOT, RENAMEAT2, UNSHARE, OPENAT, MKDIRAT, SECCOMP, BPF = (
    2, 41, 59, 56, 62, 101, 110, 165, 161, 316, 272, 257, 258, 317, 321)
AT_FDCWD = -100
CLONE_NEWUSER = 0x10000000


def fields(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def state(pid):
    """NoNewPrivs, Seccomp, how many filters."""
    found = fields(pid)
    return tuple(int(found.get(name, 0)) for name in ("NoNewPrivs", "Seccomp", "Seccomp_filters"))


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


@case()
def vmrun_is_confined(context):
    """The first process, its children, and fresh images after many an exec: one filter each, and no new privileges."""
    own = state("self")
    expected = (1, 2, own[2] + 1)
    chain = 'if [ "$1" -gt 0 ]; then exec /bin/sh -c "$2" sh $(($1 - 1)) "$2"; fi; exec 3<&0; (read line <&3; true) & echo ready; wait'
    for options, wanted in [((), expected), (("--no-confine",), own), (("--fakeroot",), expected)]:
        for depth in ["0", "100"]:
            with sleeping(context, ["/bin/sh", "-c", chain, "sh", depth, chain], *options, sysroot=context.busybox) as guest:
                found = [state(pid) for pid in [guest.pid, *children(guest.pid)]]
                check(len(found) == 2 and set(found) == {wanted}, f"{options} {depth}: {found}, not {wanted}")


@case()
def the_guest_sees_nothing_of_it(context):
    """Its own account of both is what it made of it."""
    context.same_as_native(["/bin/sh", "-c", "grep -E 'NoNewPrivs|Seccomp' /proc/self/status | sed 's/\\t[02]$/ none/'; exec grep "
                            "NoNewPrivs /proc/self/status"])


def kills(context, name, number, *arguments):
    with taken_over(context, sysroot=context.busybox) as vmrun:
        check(vmrun.call(GETPPID) == os.getpid(), "getppid answers something else")
        try:
            result = vmrun.call(number, *arguments)
        except injection.Killed as death:
            check(death.args[0] == signal.SIGSYS, f"{name}: killed by {death.args[0]}")
        else:
            check(False, f"{name} answered {result}")


@case()
def forbidden_calls_kill(context):
    """What the table never issues ends the process that makes it."""
    for name, number, arguments in [
            ("mount", MOUNT, (b"none", b"/mnt", b"tmpfs", 0, 0)), ("ptrace", PTRACE, (16, 1, 0, 0)), ("bpf", BPF, (0, 0, 0)),
            ("chroot", CHROOT, (b"/",)), ("seccomp", SECCOMP, (0, 0, 0)), ("open", OPEN, (b"/dev/null", 0)),
            ("clone with a namespace", CLONE, (CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)),
            ("unshare of a namespace", UNSHARE, (CLONE_NEWUSER,)), ("socket of a family", SOCKET, (15, 3, 2)),
            ("a number of x32", 0x40000000 + GETPPID, ()), ("no number", 1000, ())]:
        kills(context, name, number, *arguments)


@case()
def files_outside_are_closed(context):
    """Landlock: the root and the binds, and nothing else; no program but vmrun is executed."""
    if landlock_version() < 2:
        raise Skip("this kernel has no Landlock that could be used")
    read, write, create = os.O_RDONLY, os.O_WRONLY, os.O_WRONLY | os.O_CREAT
    with scratch() as folder:
        inside, outside, shown, fixed = (folder / name for name in ("root", "outside", "shown", "fixed"))
        for place in (outside, shown, fixed):
            place.mkdir()
            (place / "file").write_text("x")
        subprocess.run(["cp", "-a", str(context.busybox), str(inside)], check=True)
        options = ["--bind", f"{shown}:/shown", "--bind", f"{fixed}:/fixed:ro"]

        def opened(vmrun, path, flags):
            return vmrun.call(OPENAT, AT_FDCWD, str(path).encode(), flags, 0o600)

        with taken_over(context, *options, sysroot=inside) as vmrun:
            for path, flags in [(outside / "file", read), (outside / "file", write), (outside / "new", create), (outside, read),
                                ("/etc/passwd", read), ("/root", read), ("/dev/kvm", os.O_RDWR), (fixed / "file", write),
                                (fixed / "new", create)]:
                result = opened(vmrun, path, flags)
                check(result == -errno.EACCES, f"{path} with {flags:o}: {result}")
            for path, flags in [(inside / "bin/busybox", read), (inside / "new", create), (shown / "file", write),
                                (shown / "new", create), (fixed / "file", read), (fixed, read), ("/dev/null", os.O_RDWR),
                                ("/proc/self/comm", write), ("/proc/self/status", read)]:
                result = opened(vmrun, path, flags)
                check(result >= 0, f"{path} with {flags:o}: {result}")
            result = opened(vmrun, f"/proc/{os.getpid()}/mem", read)
            check(result in (-errno.EACCES, -errno.EPERM), f"another process's memory: {result}")
            check(vmrun.call(MKDIRAT, AT_FDCWD, str(outside / "made").encode(), 0o700) == -errno.EACCES, "mkdir outside")
            moved = vmrun.call(RENAMEAT2, AT_FDCWD, str(inside / "new").encode(), AT_FDCWD, str(outside / "moved").encode(), 0)
            check(moved in (-errno.EACCES, -errno.EXDEV), f"rename to the outside: {moved}")
            moved = vmrun.call(RENAMEAT2, AT_FDCWD, str(inside / "new").encode(), AT_FDCWD, str(inside / "tmp/moved").encode(), 0)
            check(moved == 0, f"rename inside: {moved}")
            check(vmrun.call(EXECVE, str(inside / "bin/busybox").encode(), 0, 0) == -errno.EACCES, "execution of a guest's program")
        with taken_over(context, "--no-confine", *options, sysroot=inside) as vmrun:
            check(opened(vmrun, outside / "file", read) >= 0, "without confinement the file cannot be opened either")
        with taken_over(context) as vmrun:
            check(opened(vmrun, outside / "file", read) >= 0, "without a root the guest may go there")
            check(vmrun.call(EXECVE, b"/bin/true", 0, 0) == -errno.EACCES, "execution without a root")
            check(vmrun.call(EXECVE, b"/proc/self/exe", 0, 0) == 0, "vmrun cannot be executed")


@case()
def signals_stay_inside(context):
    """Landlock 6: the host kernel knows who is a member, too."""
    if landlock_version() < 6:
        raise Skip("this kernel's Landlock knows no signals")
    with taken_over(context, sysroot=context.busybox) as vmrun:
        check(vmrun.call(KILL, os.getpid(), 0) == -errno.EPERM, "a process outside can be reached")
        check(vmrun.call(KILL, vmrun.pid, 0) == 0, "not even vmrun itself can be reached")


@case()
def what_was_given_can_be_opened_again(context):
    """Files and directories outside the root that vmrun inherits: as /dev/stdin, and from /dev/fd."""
    with scratch() as folder:
        (folder / "input").write_text("from outside\n")
        script = "cat /dev/stdin /dev/fd/5; ls /proc/self/fd/6/; echo err > /proc/self/fd/2"
        command = " ".join(context.under_vmrun(["/bin/sh", "-c", f"'{script}'"], sysroot=context.busybox))
        result = context.run(["/bin/sh", "-c", f"{command} < input 2> errors 5< input 6< ."], cwd=str(folder))
        check(result.stdout == b"from outside\n" * 2 + b"errors\ninput\n", result.describe(), result.transcript())
        check((folder / "errors").read_text() == "err\n", (folder / "errors").read_text())
