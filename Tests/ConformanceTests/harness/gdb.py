"""Debian's gdb, run on lists of commands."""

import os
import re
import subprocess

from .context import ENVIRONMENT
from .registry import Failure

SECONDS = 60
#: gdb's own settings first: nothing of the user's, no questions, no pages, no network.
SETTINGS = ["set pagination off", "set confirm off", "set width 0", "set debuginfod enabled off", "set print thread-events off",
            "set startup-with-shell off"]


def gdb(program, commands, timeout=SECONDS):
    """Run gdb on a list of commands; return what it said."""
    words = ["gdb", "-nx", "-q", "-batch"]
    for command in [*SETTINGS, *commands]:
        words += ["-ex", command]
    # Not by the context's run: that would take the guest for something that gdb left behind.
    result = subprocess.Popen([*words, *([str(program)] if program else [])], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env={**os.environ, **ENVIRONMENT})
    try:
        text = result.communicate(timeout=timeout)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        result.kill()
        raise Failure("gdb: timed out", result.communicate()[0].decode(errors="replace")) from None
    # Its status is that of its last command, which often finds the program gone.
    return text


def native_script(program, scene, commands, breakpoints=("break main",)):
    """What gdb says of a native process, from the first breakpoint on."""
    # Its output would come in between.
    return normalised(gdb(program, ["set inferior-tty /dev/null", *breakpoints, f"run {scene}", *commands, "kill"]))


def remote_script(program, place, commands, breakpoints=("break main",), timeout=SECONDS):
    """The same of a guest that waits for gdb at `place`; and gdb's words as they are."""
    # An emulated host takes its time.
    text = gdb(program, ["set remotetimeout 60", f"target remote {place}", *breakpoints, "continue", *commands, "kill"], timeout)
    # What natively follows `run` follows `continue` here; "Continuing." is said once more.
    return normalised(text.replace("Continuing.\n", "", 1)), text


def normalised(text):
    """Without what differs from run to run, and what gdb says of how it got there."""
    text = re.sub(r"0x[0-9a-f]+", "ADDRESS", text)
    text = re.sub(r"/[^ ]*/debugger/subject\b(?!\.c)", "PROGRAM", text)
    text = re.sub(r"(Thread|LWP|process) (ADDRESS|[0-9.]+)( \(LWP \d+\))?( \"[^\"]*\")?", "process", text)
    dropped = re.compile(r"Starting program|libthread_db|\[Thread debugging|Using host libthread|Remote debugging|Reading |_start|^warning|"
                         r"^Breakpoint \d+ at|^Temporary breakpoint \d+ at|^$|Hardware .*breakpoint|^\[Inferior|"
                         r"^\(gdb\)|^Run till exit|^\[New|^\[Switching|syscall-template")
    return "".join(line + "\n" for line in text.splitlines() if not dropped.search(line))
