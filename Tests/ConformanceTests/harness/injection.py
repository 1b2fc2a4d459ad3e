"""System calls made in another process, as by somebody who has taken it over."""

import contextlib
import ctypes
import os
import platform
import signal
import subprocess
import time

from harness.context import ENVIRONMENT
from harness.registry import Skip, check

ATTACH, DETACH, GETREGS, SETREGS, SINGLESTEP = 16, 17, 12, 13, 9
NAMES = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base "
         "ds es fs gs").split()
PARAMETERS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
_libc = ctypes.CDLL(None, use_errno=True)


class Registers(ctypes.Structure):
    """struct user_regs_struct of x86-64"""
    _fields_ = [(name, ctypes.c_ulonglong) for name in NAMES]


class Killed(Exception):
    """The call ended the process; the signal."""


def _ptrace(request, pid, address=None, data=None):
    if _libc.ptrace(request, pid, ctypes.c_void_p(address), data) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Injection:
    """A process that waits in a system call, stopped there. It is of no use afterwards: the call is lost."""

    def __init__(self, pid):
        self.pid = pid
        _ptrace(ATTACH, pid)
        os.waitpid(pid, 0)
        self.registers = Registers()
        _ptrace(GETREGS, pid, data=ctypes.byref(self.registers))
        with open(f"/proc/{pid}/mem", "rb") as memory:
            memory.seek(self.registers.rip - 2)
            assert memory.read(2) == b"\x0f\x05", "it does not stand behind a system call"

    def call(self, number, *arguments):
        """The result. Bytes among the arguments are put on the stack, and their address is passed."""
        registers = Registers.from_buffer_copy(self.registers)
        registers.orig_rax = 2**64 - 1
        registers.rax = number
        registers.rip -= 2
        place = registers.rsp - 16384
        for name, argument in zip(PARAMETERS, arguments):
            if isinstance(argument, bytes):
                with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as memory:
                    memory.seek(place)
                    memory.write(argument + b"\0")
                argument, place = place, place + len(argument) + 8 & ~7
            setattr(registers, name, argument & 2**64 - 1)
        _ptrace(SETREGS, self.pid, data=ctypes.byref(registers))
        _ptrace(SINGLESTEP, self.pid)
        _, status = os.waitpid(self.pid, 0)
        if os.WIFSIGNALED(status):
            raise Killed(os.WTERMSIG(status))
        _ptrace(GETREGS, self.pid, data=ctypes.byref(registers))
        return ctypes.c_longlong(registers.rax).value


@contextlib.contextmanager
def sleeping(context, command, *options, sysroot=None):
    """A guest that says `ready` and then waits."""
    words = context.under_vmrun(command, *options, sysroot=sysroot)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, cwd="/") as guest:
        try:
            check(guest.stdout.readline() == b"ready\n", "the guest did not start")
            yield guest
        finally:
            guest.kill()


#: clock_nanosleep(2) of x86-64.
SLEEP = 230


def wait_for_sleep(pid):
    """Wait until a process sleeps by clock_nanosleep(2)."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
            if file.read().split()[0] == str(SLEEP):
                return
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError(f"{pid} does not come to wait")


@contextlib.contextmanager
def taken_over(context, *options, sysroot=None, setup="true"):
    """Calls in the place of a vmrun process whose guest sleeps."""
    if platform.machine() != "x86_64":
        raise Skip("calls can be made in another process on x86-64 only")
    with sleeping(context, ["/bin/sh", "-c", f"{setup}; echo ready; exec sleep 100"], *options, sysroot=sysroot) as guest:
        wait_for_sleep(guest.pid)
        yield Injection(guest.pid)


def landlock_version():
    """0 where this kernel has none."""
    return max(_libc.syscall(444, None, ctypes.c_size_t(0), 1), 0)
