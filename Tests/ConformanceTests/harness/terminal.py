"""A program on a pseudo-terminal: type at it, wait for what it shows, change the window's size."""

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import termios
import time

from harness import process
from harness.registry import Failure


class Terminal:
    """Starts the command as the leader of a session whose terminal this is."""

    def __init__(self, command, *, env, cwd="/", rows=24, columns=80):
        self.master, slave = os.openpty()
        #: Kept open: the settings can be looked at after the program has gone.
        self.slave = slave
        self.resize(rows, columns)
        self.seen = ""
        self.transcript = ""
        self.unfinished = ""
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
                for number in (0, 1, 2):
                    os.dup2(slave, number)
                os.closerange(3, 1024)
                os.chdir(cwd)
                for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGQUIT):
                    signal.signal(number, signal.SIG_DFL)
                os.execvpe(command[0], command, env)
            finally:
                os._exit(126)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def settings(self):
        """The terminal's settings, without the input that waits."""
        return termios.tcgetattr(self.slave)

    def type(self, text):
        os.write(self.master, text.encode())

    def line(self, text):
        self.type(text + "\r")

    def expect(self, pattern, timeout=15):
        """Wait until the pattern has been shown; return the match. What was shown before it is forgotten."""
        deadline = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.seen)
            if match:
                self.seen = self.seen[match.end():]
                return match
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure(f"the terminal does not show {pattern!r}", self.transcript[-3000:])
            self.read(left)

    def read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return
        try:
            text = self.unfinished + os.read(self.master, 65536).decode(errors="replace")
        except OSError:
            # Nobody has it open any more: only possible when self.slave is closed, too.
            raise Failure("the terminal was hung up", self.transcript[-3000:]) from None
        # Cursor movements and colours are between the words that a test looks for.
        text, self.unfinished = re.fullmatch(r"(.*?)((?:\x1b[\[()]?[0-9;?]*)?)", text, re.DOTALL).groups()
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x07\r]", "", text)
        self.seen += text
        self.transcript += text

    def settle(self, job=False, quiet=0.3, timeout=15):
        """Wait until nothing happens: whoever has the terminal, the shell or its job, waits for something.

        A prompt says only that it was written. What its writer still does before it waits is seen from outside: every
        thread of the session sleeps, and none has woken since the last look. Same for vmrun, whose guest's processes
        are processes of the host.
        """
        deadline = time.monotonic() + timeout
        before, since = None, 0
        while before is None or time.monotonic() - since < quiet:
            shown = len(self.transcript)
            self.read(0.02)
            threads = process.session_threads(self.pid)
            # The shell leads the session, and each of its jobs has a process group of its own.
            foreground = os.tcgetpgrp(self.master)
            now = foreground, threads
            asleep = all(state in "STZ" for state, _ in threads.values())
            if not asleep or (foreground != self.pid) != job or now != before or len(self.transcript) != shown:
                before, since = now, time.monotonic()
            if time.monotonic() > deadline:
                raise Failure(f"the {'job' if job else 'shell'} on the terminal does not come to rest: "
                              f"{foreground} has the terminal of {self.pid}, {threads}", self.transcript[-3000:])

    def wait(self, timeout=15):
        """Wait for the program to end; return its exit status, negative for a signal."""
        deadline = time.monotonic() + timeout
        while True:
            # Its last output must be taken, or it cannot end.
            self.read(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                raise Failure("the program on the terminal does not end", self.transcript[-3000:])

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.slave)
        os.close(self.master)


@contextlib.contextmanager
def terminal(command, **options):
    """A Terminal that is closed at the end; processes left on it are a failure."""
    opened = Terminal(command, **options)
    finished = False
    try:
        yield opened
        finished = True
    finally:
        opened.close()
        leaked = process.reap_leftovers(process.GRACE_SECONDS if finished else 0)
        if leaked and finished:
            raise Failure("left processes behind: " + "; ".join(leaked), opened.transcript[-3000:])
