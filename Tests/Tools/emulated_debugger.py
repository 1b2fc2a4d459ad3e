"""gdb on an emulated host: Debian's gdb of this machine debugs, over a serial port, guests of vmrun in the emulated one.

What it says is compared with what it says of a native process here.
"""

import dataclasses
import difflib
import pathlib
import threading
import time

from harness.gdb import native_script, remote_script
from harness.registry import Failure

from emulated_jobs import SLOWNESS, Job, indented

FIXTURE = "debugger/subject"
VARIANT = "static-glibc"
#: The longest that one script may take.
SECONDS = 60 * SLOWNESS


@dataclasses.dataclass
class DebuggedJob(Job):
    scene: str = ""
    #: What gdb is told, from the first breakpoint on.
    commands: list = dataclasses.field(default_factory=list)
    #: What gdb must have said, of which this processor's kind makes a difference.
    says: list = dataclasses.field(default_factory=list)
    #: What gdb said: as compared, and as it was.
    transcripts: list = dataclasses.field(default_factory=list)
    program_here: pathlib.Path | None = None

    def line(self):
        return f"debugged {self.name} {self.seconds} {self.command[0]} {self.scene}\n"

    def debug(self, place):
        try:
            self.transcripts = [native_script(self.program_here, self.scene, self.commands),
                                *remote_script(self.program_here, place, self.commands, timeout=self.seconds)]
        except Failure as failure:
            self.transcripts = ["", "", str(failure)]

    def judge(self, record):
        if not self.transcripts:
            return "gdb has not been started"
        native, under, text = self.transcripts
        lines = "\n".join(difflib.unified_diff(native.splitlines(), under.splitlines(), "native", "vmrun", lineterm="", n=1))
        missing = [words for words in self.says if words not in text]
        if not lines and not missing and native:
            return ""
        complaint = f"gdb does not say '{missing[0]}'" if missing else "gdb says other things than natively"
        return complaint + indented(lines) + indented(text)


def debugged_jobs(fixtures, short=False, has_debug_registers=True, steps=True):
    """The debugger where `syscall` lands in ring 0. has_debug_registers, steps: whether the emulated processor has them for guests."""
    fixture = next(fixture for fixture in fixtures if fixture.name == FIXTURE)

    def job(name, scene, commands, says=()):
        return DebuggedJob(f"debugger/{name}", [f"/fixtures/{VARIANT}/{FIXTURE}"], seconds=SECONDS, fixture=fixture, variant=VARIANT,
                           scene=scene, commands=list(commands), says=list(says))

    if steps:
        yield job("calls", "calls", [
            "break *&at_call", "continue", "stepi", "x/i $pc", "print $eflags", "stepi", "x/i $pc", "continue", "stepi", "stepi",
            "print $eflags", "x/i $pc", "print $_siginfo.si_signo", "next"])
    if has_debug_registers:
        yield job("registers", "sums", [
            "watch watched", "continue", "continue", "delete", "hbreak done", "info breakpoints", "continue", "backtrace"],
            ["Hardware watchpoint", "New value = 20"])
    if short or not steps:
        return
    yield job("breakpoints", "sums", [
        "break add", "continue", "backtrace", "info locals", "finish", "next", "step", "print total", "tbreak done", "continue"])
    yield job("steps", "sums", ["next", "next", "step", "next", "step", "finish", "stepi", "stepi", "stepi", "until", "next", "x/3i $pc"])
    yield job("handlers", "signals", [
        "handle SIGUSR1 nostop noprint pass", "break handler", "continue", "backtrace 1", "stepi", "x/i $pc", "finish", "next"])
    yield job("into-handlers", "signals", [
        "continue", "stepi", "x/i $pc", "stepi", "x/i $pc", "print $_siginfo.si_signo", "next"])
    yield job("signals", "signals", ["continue", "print $_siginfo.si_signo", "continue", "signal 0"])
    yield job("faults", "fault", ["continue", "print $_siginfo._sifields._sigfault.si_addr", "backtrace", "continue"])
    yield job("vectors", "vectors", [
        "break vectors_set", "continue", "print $xmm3.v4_float", "print $mxcsr", "set var $xmm3.v4_float[1] = 9.25", "stepi",
        "print $xmm3.v4_float"])
    yield job("children", "children", ["break add", "continue", "finish", "backtrace"])
    yield job("fork-child", "children", ["set follow-fork-mode child", "break add", "continue", "backtrace", "finish", "continue"])
    yield job("vfork-child", "vfork", ["set follow-fork-mode child", "break add", "continue", "backtrace", "finish", "continue"])
    yield job("exec", "exec", ["catch exec", "continue", "break add", "continue", "backtrace", "finish", "next"])


class Debugger:
    """Starts gdb for each job that waits for it, as long as the emulated host runs."""

    def __init__(self, jobs, builder, results, place):
        self.jobs = {job.name: job for job in jobs if isinstance(job, DebuggedJob)}
        for job in self.jobs.values():
            job.program_here = pathlib.Path(builder.output) / job.variant / job.fixture.name
        self.results, self.place = results, place
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self):
        if self.jobs:
            self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        if self.jobs:
            self.thread.join()

    def watch(self):
        done = set()
        while not self.is_over.is_set():
            for line in self.results.read_text(errors="replace").splitlines():
                kind, _, name = line.partition(" ")
                if kind == "DEBUG" and name in self.jobs and name not in done:
                    done.add(name)
                    self.jobs[name].debug(self.place)
            time.sleep(0.2)
