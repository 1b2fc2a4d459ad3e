"""--net: which sockets a guest may have."""

import secrets
import shutil
import signal
import socket
import subprocess

from harness import injection
from harness.context import ENVIRONMENT, scratch
from harness.injection import landlock_version, taken_over
from harness.registry import Skip, case, check

#: System calls of x86-64.
SOCKET, CONNECT = 41, 42


def listener():
    """A socket of the test's, at an abstract name."""
    name = f"outside-{secrets.token_hex(8)}"
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(f"\0{name}")
    server.listen(16)
    return server, name


@case()
def without_a_network(context):
    """None but AF_UNIX; abstract names are the session's own."""
    server, name = listener()
    with server:
        for variant in ["static-musl", "dynamic-glibc"]:
            fixture = context.fixture("sockets/isolated", variant)
            expected = context.same_as_native([fixture, "host", name]).stdout
            if context.native_only:
                continue
            for options in [[], ["--fakeroot"], ["--no-confine"], ["--no-fast-syscalls"]]:
                result = context.guest([fixture, "none", name], "--net", "none", *options)
                check(result.status == 0 and result.stdout == expected, result.describe(), result.transcript())


@case()
def local_sockets_stay(context):
    """What is not about the network is as before."""
    # Not sockets/names, which has abstract names of full length.
    for name in ["sockets/unix", "sockets/messages"]:
        with scratch() as folder:
            context.same_as_native([context.fixture(name)], "--net", "none", env={"TMPDIR": str(folder)},
                                   reset=lambda folder=folder: clear(folder))


def clear(folder):
    """Take away what the native run left."""
    shutil.rmtree(folder)
    folder.mkdir(mode=0o1777)


@case()
def two_sessions_do_not_meet(context):
    """Each has its own abstract names."""
    script = ("import socket, sys\n"
              "server = socket.socket(socket.AF_UNIX); server.bind('\\0both'); server.listen(1)\n"
              "print('bound', flush=True); sys.stdin.read()")
    command = context.under_vmrun(["/usr/bin/python3", "-c", script], "--net", "none")
    sessions = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT) for _ in range(2)]
    try:
        for session in sessions:
            check(session.stdout.readline() == b"bound\n", "the name was taken")
    finally:
        for session in sessions:
            session.communicate()


@case()
def the_host_refuses_it_too(context):
    """Filter and Landlock know of --net: a vmrun that is taken over gets no further."""
    options = ["--net", "none"]
    for family in [socket.AF_INET, socket.AF_NETLINK, socket.AF_VSOCK]:
        with taken_over(context, *options, sysroot=context.busybox) as vmrun:
            try:
                result = vmrun.call(SOCKET, family, socket.SOCK_DGRAM, 0)
            except injection.Killed as death:
                check(death.args[0] == signal.SIGSYS, f"killed by {death.args[0]}")
            else:
                check(False, f"family {family}: {result}")
    if landlock_version() < 6:
        raise Skip("this kernel's Landlock knows no abstract names")
    server, name = listener()
    address = b"\1\0\0" + name.encode()
    with server:
        for allowed, more in [(True, []), (False, options)]:
            with taken_over(context, *more, sysroot=context.busybox) as vmrun:
                descriptor = vmrun.call(SOCKET, socket.AF_UNIX, socket.SOCK_STREAM, 0)
                check(descriptor >= 0, f"no socket: {descriptor}")
                result = vmrun.call(CONNECT, descriptor, address, len(address))
                check(result == (0 if allowed else -1), f"connect to an abstract name outside: {result}")
