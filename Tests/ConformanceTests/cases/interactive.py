"""A shell on a terminal, as somebody uses it. Each scenario is played natively first, then under vmrun.

A shell is not always ready for a signal, also natively, and a test must not depend on when it is. So a key that makes
one is typed when everything sleeps: see press().
"""

import functools
import os
import re
import signal

from harness.context import ENVIRONMENT
from harness.registry import Failure, case, check
from harness.terminal import terminal

PROMPT = r"prompt> "
SHELLS = {
    "busybox": ("busybox", ["/bin/sh", "-i"]),
    "bash": ("debian", ["/bin/bash", "--norc", "--noprofile", "-i"]),
}


#: All, for shells that other modules have.
SCENARIOS = []


def scenario(play, shells=tuple(SHELLS)):
    """Make the function a case for each shell. It gets the terminal, before the first prompt."""
    SCENARIOS.append(play)
    for shell in shells:
        root, command = SHELLS[shell]

        def run(context, root=root, command=command):
            attempt("natively", play, context.natively(command, context.root(root)))
            if not context.native_only:
                attempt("vmrun", play, context.under_vmrun(command, "--timeout", "0", sysroot=context.root(root)))
        run.__module__ = play.__module__
        case(f"{shell}-{play.__name__.replace('_', '-')}", needs_vmrun=False)(run)
    return play


def attempt(where, play, command):
    # No history file. Not /dev/null either: nobody knows what a shell does to it.
    environment = {**ENVIRONMENT, "PS1": "prompt> ", "HISTFILE": ""}
    try:
        with terminal(command, env=environment) as shown:
            before = shown.settings()
            play(shown)
            check(shown.settings()[:6] == before[:6], "the terminal's settings are not as they were",
                  shown.transcript[-2000:])
    except Failure as failure:
        raise Failure(f"{where}: {failure}", failure.details) from None


def enter(shown, text):
    """Type a command line. Always at a prompt: what is typed while the shell changes the terminal may be lost."""
    shown.expect(PROMPT)
    shown.line(text)


def start(shown, script):
    """Start a foreground job that says when it runs: only then do the keys reach it and not the shell."""
    enter(shown, f"sh -c 'echo started; {script}'")
    shown.expect(r"\nstarted\n")


def start_plain(shown):
    """Start a foreground job that reads the terminal, and is no shell."""
    enter(shown, "cat /etc/passwd -")
    shown.expect(r"\nnobody:.*\n")


def press(shown, key, job=True):
    """Type a key that makes a signal, when the job (or the shell) has the terminal and sleeps.

    Earlier it meets the shells' own races. Bash hangs when ^C comes right behind the prompt, while it still prepares
    to read, and busybox's sh swallows a signal that comes between its echo and its exec.
    """
    shown.settle(job)
    shown.type(key)


def leave(shown, status=0):
    enter(shown, f"exit {status}")
    ended = shown.wait()
    check(ended == status, f"the shell ended with {ended} instead of {status}", shown.transcript[-2000:])


@scenario
def prompt_and_exit_status(shown):
    enter(shown, "echo $((6 * 7))")
    shown.expect(r"\n42\n")
    enter(shown, "false; echo status $?")
    shown.expect(r"\nstatus 1\n")
    leave(shown, 23)


@scenario
def end_of_input(shown):
    shown.expect(PROMPT)
    shown.type("\x04")
    check(shown.wait() == 0, "^D does not end the shell")


@scenario
def it_is_a_terminal(shown):
    enter(shown, "test -t 0 && test -t 1 && test -t 2 && echo three terminals")
    shown.expect(r"\nthree terminals\n")
    enter(shown, "stty size < /dev/tty")
    shown.expect(r"\n24 80\n")
    leave(shown)


@scenario
def line_editing(shown):
    # Backspace, the beginning of the line, its end, a line given up.
    shown.expect(PROMPT)
    shown.type("echo onex\x7f two")
    shown.type("\x01\x05 three\r")
    shown.expect(r"\none two three\n")
    enter(shown, "echo wrong\x15echo right")
    shown.expect(r"\nright\n")
    # The line before, again.
    enter(shown, "\x1b[A")
    shown.expect(r"\nright\n")
    leave(shown)


@scenario
def completion(shown):
    enter(shown, "ls -d /et\t")
    shown.expect(r"\n/etc/?\n")
    leave(shown)


@scenario
def interrupt_kills_the_foreground_job(shown):
    start_plain(shown)
    press(shown, "\x03")
    enter(shown, "echo status $?")
    shown.expect(r"\nstatus 130\n")
    leave(shown)


@scenario
def interrupt_ends_a_pipeline(shown):
    enter(shown, "sleep 100 | cat | cat")
    press(shown, "\x03")
    enter(shown, "echo status $?")
    shown.expect(r"\nstatus 130\n")
    leave(shown)


# Not busybox's: its handler jumps out of whatever the shell was doing, which may have been malloc or free. The lock
# of that is then never released, and the next call waits for it for ever: natively about once in fifty times.
@functools.partial(scenario, shells=["bash"])
def interrupt_of_a_loop(shown):
    enter(shown, "echo started; while :; do :; done")
    shown.expect(r"\nstarted\n")
    shown.type("\x03")
    enter(shown, "echo status $?")
    shown.expect(r"\nstatus 130\n")
    leave(shown)


@scenario
def interrupt_of_a_loop_around_a_program(shown):
    enter(shown, "while echo again; do sleep 100; done")
    shown.expect(r"\nagain\n")
    press(shown, "\x03")
    enter(shown, "echo status $?")
    shown.expect(r"\nstatus 130\n")
    leave(shown)


@scenario
def interrupt_of_a_busy_program(shown):
    """It makes no system call that could notice the signal."""
    enter(shown, """awk 'BEGIN { print "started"; fflush(); while (1) n++ }'""")
    shown.expect(r"\nstarted\n")
    shown.type("\x03")
    enter(shown, "echo status $?")
    shown.expect(r"\nstatus 130\n")
    leave(shown)


@scenario
def interrupt_at_the_prompt_gives_a_new_one(shown):
    shown.expect(PROMPT)
    shown.type("not a command")
    shown.expect("not a command")
    press(shown, "\x03", job=False)
    enter(shown, "echo still here")
    shown.expect(r"\nstill here\n")
    leave(shown)


@scenario
def quit_kills(shown):
    enter(shown, "ulimit -c 0")
    start_plain(shown)
    press(shown, "\x1c")
    enter(shown, "echo status $?")
    shown.expect(r"\nstatus 131\n")
    leave(shown)


@scenario
def stop_and_foreground(shown):
    start(shown, "exec sleep 2")
    press(shown, "\x1a")
    shown.expect(r"Stopped")
    enter(shown, "jobs")
    shown.expect(r"Stopped.*sleep 2")
    enter(shown, "fg; echo status $?")
    shown.expect(r"\nstatus 0\n", timeout=20)
    leave(shown)


@scenario
def stop_and_background(shown):
    start(shown, "exec sleep 3")
    press(shown, "\x1a")
    shown.expect(r"Stopped")
    enter(shown, "bg")
    enter(shown, "jobs")
    shown.expect(r"Running.*sleep 3")
    enter(shown, "wait; echo waited")
    shown.expect(r"\nwaited\n", timeout=20)
    leave(shown)


@scenario
def killed_while_stopped(shown):
    start(shown, "exec sleep 100")
    press(shown, "\x1a")
    shown.expect(r"Stopped")
    enter(shown, "kill %1; fg; echo after $?")
    shown.expect(r"\nafter \d+\n")
    leave(shown)


@scenario
def background_job_may_not_read(shown):
    enter(shown, "cat > /dev/null &")
    enter(shown, "sleep 0.5; jobs")
    shown.expect(r"Stopped.*cat")
    # Until the shell knows that it is gone, it does not leave.
    enter(shown, "kill -9 %1")
    for _ in range(20):
        enter(shown, "sleep 0.1; jobs; echo listed")
        if "Stopped" not in shown.expect(r"(?s).*?\nlisted\n")[0]:
            break
    leave(shown)


@scenario
def a_program_reads_a_line(shown):
    start(shown, 'read -r x; echo "<$x>"')
    shown.line("typed at it")
    shown.expect(r"\n<typed at it>\n")
    start(shown, "exec cat")
    shown.line("echoed")
    shown.expect(r"echoed\nechoed\n")
    shown.type("\x04")
    leave(shown)


@scenario
def window_size(shown):
    enter(shown, "stty size")
    shown.expect(r"\n24 80\n")
    shown.resize(50, 132)
    enter(shown, "stty size")
    shown.expect(r"\n50 132\n")
    leave(shown)


@scenario
def window_size_signal_reaches_the_foreground(shown):
    start(shown, 'trap "stty size; exit 5" WINCH; echo waiting; while :; do sleep 0.1; done')
    shown.expect(r"waiting\n")
    shown.resize(33, 99)
    shown.expect(r"33 99\n")
    enter(shown, "echo status $?")
    shown.expect(r"\nstatus 5\n")
    leave(shown)


@scenario
def raw_mode_and_back(shown):
    enter(shown, "old=$(stty -g); stty raw -echo; echo raw; dd bs=1 count=3 2>/dev/null | od -An -tx1; stty $old")
    shown.expect(r"\nraw\n")
    shown.type("\x03\x04\x1a")
    shown.expect(r"03 04 1a")
    leave(shown)


@scenario
def hang_up(shown):
    """The shell is told that the terminal is gone: its job goes, too (the leak check sees to it)."""
    start(shown, "exec sleep 100")
    shown.settle(job=True)
    os.kill(shown.pid, signal.SIGHUP)
    shown.wait()


@case()
def inside_a_shell_of_the_hosts(context):
    """vmrun as a job of an ordinary shell: it is stopped and continued as one, the terminal is given back."""
    command = " ".join(context.under_vmrun(["/bin/sh", "-c", "'echo in; read x; echo got $x; exit 9'"],
                                           sysroot=context.busybox))
    environment = {**ENVIRONMENT, "PS1": "prompt> ", "HISTFILE": ""}
    with terminal(["bash", "--norc", "--noprofile", "-i"], env=environment) as shown:
        enter(shown, command)
        shown.expect(r"\nin\n")
        press(shown, "\x1a")
        shown.expect(r"Stopped.*\n")
        enter(shown, "fg")
        shown.expect(re.escape(str(context.vmrun)))
        # The shell says so before it gives the terminal away: the word must not come before the job reads again.
        shown.settle(job=True)
        shown.line("word")
        shown.expect(r"\ngot word\n")
        enter(shown, "echo status $?; stty -a | tr ' ;' '\\n\\n' | grep -x -e echo -e icanon -e isig | wc -l")
        shown.expect(r"status 9\n3\n")
        leave(shown)
