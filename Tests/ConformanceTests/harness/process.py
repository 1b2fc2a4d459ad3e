"""Run a command to its end, whatever it does, and find the processes it left behind."""

import ctypes
import dataclasses
import os
import select
import signal
import subprocess
import tempfile
import time

PR_SET_CHILD_SUBREAPER = 36
#: How long a process that lost its parent may take to end before it counts as left behind.
GRACE_SECONDS = 3.0


@dataclasses.dataclass
class Result:
    #: The exit status, or minus the number of the signal that ended the process.
    status: int
    stdout: bytes
    stderr: bytes
    timed_out: bool
    #: Command lines of processes that outlived the command (they have been killed).
    leaked: list

    def describe(self):
        if self.timed_out:
            return "timed out"
        if self.status < 0:
            return f"died by {signal_name(-self.status)}"
        return f"exit status {self.status}"

    def transcript(self, limit=4000):
        parts = []
        for title, text in [("stdout", self.stdout), ("stderr", self.stderr)]:
            if text:
                parts.append(f"--- {title}\n{text[-limit:].decode(errors='replace').rstrip()}")
        return "\n".join(parts)


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def become_subreaper():
    """Orphans of the commands run from here become children of this process, where they are seen."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children():
    """The process ids and command lines of this process's children."""
    me, found = os.getpid(), []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                parent = int(file.read().rsplit(b")", 1)[1].split()[1])
            if parent == me:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    found.append((int(entry), file.read().replace(b"\0", b" ").decode(errors="replace").strip()))
        except OSError:
            continue  # It ended while it was looked at.
    return found


def take_usual_signals():
    """Undo what was ignored or blocked where the tests were started (nohup, `&` in a script): fixtures look at that."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals():
        if number != signal.SIGPIPE and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def session_threads(leader):
    """What the threads of a session do: {(process id, thread id): (state, context switches)}."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                if int(file.read().rsplit(b")", 1)[1].split()[3]) != leader:
                    continue
            for thread in os.listdir(f"/proc/{entry}/task"):
                with open(f"/proc/{entry}/task/{thread}/status", "rb") as file:
                    lines = dict(line.split(b":", 1) for line in file.read().splitlines())
                switches = [int(count) for name, count in lines.items() if name.endswith(b"ctxt_switches")]
                found[int(entry), int(thread)] = lines[b"State"].split()[0].decode(), sum(switches)
        except OSError:
            continue  # It ended while it was looked at.
    return found


def reap_leftovers(grace=GRACE_SECONDS):
    """Wait for the orphans to end, kill those that do not; return the command lines of these."""
    leaked = {}
    deadline = time.monotonic() + grace
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return list(leaked.values())
        if pid != 0:
            continue
        if time.monotonic() >= deadline:
            for pid, command in children():
                leaked[pid] = command or f"(process {pid})"
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def wait_until(pid, seconds):
    """Wait for a child to end; return False when the time is over first."""
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def run(command, *, env, cwd, stdin=b"", timeout=30, grace=GRACE_SECONDS, pass_fds=()):
    """Run a command in a session of its own, with files for its input and output.

    Files, not pipes: a process left behind that holds the output open does not make us wait for it.
    """
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        source.write(stdin)
        source.seek(0)
        process = subprocess.Popen(command, stdin=source, stdout=output, stderr=errors, env=env, cwd=cwd,
                                   start_new_session=True, pass_fds=pass_fds)
        ended = wait_until(process.pid, timeout)
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        # What a killed command leaves is the timeout's doing: no second complaint, and no waiting.
        leaked = reap_leftovers(grace if ended else 0)
        output.seek(0)
        errors.seek(0)
        return Result(status, output.read(), errors.read(), not ended, leaked if ended else [])
