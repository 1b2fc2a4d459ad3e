"""--gdb: Debian's gdb debugs guests by scripts; where that makes sense the same script is tried natively first."""

import contextlib
import os
import re
import signal
import subprocess
import time

from harness.context import compare, scratch
from harness.gdb import SECONDS, SETTINGS, gdb, native_script, remote_script
from harness.registry import Failure, case, check

VARIANTS = ("static-glibc", "dynamic-glibc")


class Guest:
    """A program under vmrun that waits for gdb."""

    def __init__(self, context, command, folder, *options, stop=True, sysroot=None):
        self.place = f"{folder}/gdb"
        stop = ["--gdb-stop-on-entry"] if stop else []
        words = context.under_vmrun(command, "--gdb", self.place, *stop, *options, sysroot=sysroot)
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")
        end = time.monotonic() + SECONDS
        while not os.path.exists(self.place):
            check(self.process.poll() is None and time.monotonic() < end, "vmrun does not wait for gdb")
            time.sleep(0.01)

    @property
    def remote(self):
        return f"target remote {self.place}"

    def debug(self, program, commands):
        return gdb(program, [self.remote, *commands])

    def end(self):
        """The program's output and status, once it has ended."""
        try:
            output, errors = self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure("the program does not end") from None
        return output.decode(errors="replace"), errors.decode(errors="replace"), self.process.returncode


@contextlib.contextmanager
def guest(context, command, *options, **more):
    with scratch() as folder:
        started = Guest(context, command, folder, *options, **more)
        try:
            yield started
        finally:
            if started.process.poll() is None:
                started.process.kill()
            started.process.communicate()


def compare_scripts(context, scene, commands, variant="static-glibc", breakpoints=("break main",)):
    """The same commands, natively and under vmrun, from the first breakpoint on. Return what gdb said of the guest."""
    program = context.fixture("debugger/subject", variant)
    native = native_script(program, scene, commands, breakpoints)
    if context.native_only:
        return native
    with guest(context, [program, scene]) as started:
        under, text = remote_script(program, started.place, commands, breakpoints)
    compare(native, under)
    return text


def per_variant(function):
    for variant in VARIANTS:
        def run(context, variant=variant):
            function(context, variant)
        run.__module__ = function.__module__
        case(f"{function.__name__.replace('_', '-')}-{variant}", needs_vmrun=False)(run)
    return function


@per_variant
def stack_and_variables(context, variant):
    text = compare_scripts(context, "sums", [
        "break add", "continue", "backtrace", "info locals", "info args", "up", "print *point", "print heavy", "finish", "next", "step",
        "print total", "info breakpoints"], variant)
    check("first=3, second=4" in text and "weight = 2.5" in text, "not where it should be", text)


@per_variant
def steps(context, variant):
    compare_scripts(context, "sums", ["next", "next", "step", "next", "step", "finish", "stepi", "stepi", "stepi", "until", "next", "x/3i $pc"],
                    variant)


@per_variant
def watchpoints(context, variant):
    text = compare_scripts(context, "sums", ["watch watched", "continue", "continue", "continue", "delete", "awatch total", "info watchpoints"],
                           variant)
    for value in ("Old value = 0", "New value = 10", "New value = 20", "New value = 30"):
        check(value in text, f"no {value}", text)


@case(needs_vmrun=False)
def hardware_breakpoints(context):
    compare_scripts(context, "sums", ["hbreak change", "thbreak done", "continue", "backtrace", "next", "continue", "backtrace"])


@per_variant
def changes(context, variant):
    """Variables, memory and registers change, and the program goes on with them."""
    program = context.fixture("debugger/subject", variant)
    commands = ["break add", "continue", "set var first = 30", "print $rsi", "print second = 12", "finish",
                "set var $rax = 100", "print $rax", "set var message = \"changed\"", "delete", "print add(20, 22)", "continue"]
    with guest(context, [program]) as started:
        text = started.debug(program, commands)
        output, errors, status = started.end()
    check("Value returned is $" in text and "= 42" in text, "finish or the call went wrong", text)
    # 100 in the place of 42, twice for the weight; total: 42, and what gdb called.
    check(output == "200 84 changed\nsummed\n" and status == 84, f"{output!r}, {status}", text + errors)
    check(f"exited with code 0{status:o}" in text, "gdb knows no exit status", text)


@case()
def code_is_changed_for_this_process_only(context):
    program = context.fixture("debugger/subject", "static-glibc")
    before = program.read_bytes()
    with guest(context, [program]) as started:
        # ret: the function does nothing.
        started.debug(program, ["break main", "continue", "set var {unsigned char}change = 0xc3", "print watched", "continue"])
        output, errors, status = started.end()
    check(output == "14 7 as it was\nsummed\n" and status == 7, f"{output!r}, {status}", errors)
    check(program.read_bytes() == before, "the file has changed")


@per_variant
def signals(context, variant):
    text = compare_scripts(context, "signals", [
        "continue", "print $_siginfo.si_signo", "continue", "signal 0"], variant)
    check("received signal SIGUSR1" in text, "no signal", text)


@case()
def signals_are_kept_and_passed(context):
    program = context.fixture("debugger/subject", "static-glibc")
    with guest(context, [program, "signals"]) as started:
        text = started.debug(program, ["continue", "continue", "signal 0"])
        output, errors, status = started.end()
    check(output == "handled 10\nhandled 0\nsignals\n" and status == 0, f"{output!r}, {status}", text + errors)
    with guest(context, [program, "signals"]) as started:
        text = started.debug(program, ["handle SIGUSR1 nostop noprint pass", "echo here\\n", "continue"])
        output, errors, status = started.end()
    check(output == "handled 10\nhandled 10\nsignals\n" and status == 0, f"{output!r}, {status}", text + errors)
    check("SIGUSR1" not in text.split("here")[1], "gdb was stopped", text)


@case(needs_vmrun=False)
def faults(context):
    text = compare_scripts(context, "fault", ["continue", "print $_siginfo._sifields._sigfault.si_addr", "backtrace", "continue"])
    check("received signal SIGSEGV" in text and "terminated with signal SIGSEGV" in text, "no fault", text)


@per_variant
def threads(context, variant):
    program = context.fixture("debugger/subject", variant)
    with guest(context, [program, "threads"]) as started:
        text = started.debug(program, ["break done", "continue", "info threads", "thread apply all backtrace", "continue",
                                       "info threads", "continue"])
        output, errors, status = started.end()
    check(output == "met\njoined\n" and status == 0, f"{output!r}, {status}", text + errors)
    check(len(re.findall(r"^#\d+ .* work \(argument=", text, re.M)) == 3, "not three threads at work", text)
    check("exited normally" in text, "no exit", text)


@case()
def many_threads_meet_a_breakpoint(context):
    program = context.fixture("debugger/subject", "static-glibc")
    with guest(context, [program, "rounds"]) as started:
        text = started.debug(program, ["break add", "ignore 1 10000", "continue", "info breakpoints"])
        output, errors, status = started.end()
    check(output == "round\n" and status == 0, f"{output!r}, {status}", text + errors)
    check("already hit 800 times" in text, "hits were lost", text)


@case(needs_vmrun=False)
def vectors(context):
    text = compare_scripts(context, "vectors", [
        "break vectors_set", "continue", "print $xmm3.v4_float", "info float", "print $ymm3.v8_int32", "print $mxcsr",
        "set var $xmm3.v4_float[1] = 9.25", "print $xmm3.v4_float"])
    check("{1.5, 9.25, 3.5, 4.5}" in text, "the vector is not changed", text)


@case()
def vectors_go_on_changed(context):
    program = context.fixture("debugger/subject", "static-glibc")
    with guest(context, [program, "vectors"]) as started:
        started.debug(program, ["break vectors_set", "continue", "set var $xmm3.v4_float[1] = 9.25", "continue"])
        output, errors, status = started.end()
    check(output == "1.5 9.2 3.5 4.5\nvectors\n" or output == "1.5 9.3 3.5 4.5\nvectors\n", f"{output!r}, {status}", errors)


def interrupted(context, scene):
    """gdb attaches to a program that runs, and it stops."""
    program = context.fixture("debugger/subject", "static-glibc")
    with guest(context, [program, scene], stop=False) as started:
        time.sleep(0.3)
        text = started.debug(program, ["print turns > 0", "backtrace", "detach"])
        check("spin" in text and "$1 = 1" in text, "not where it spins", text)
        check(started.process.poll() is None, "the program did not go on", text)
        text = started.debug(program, ["print keep_turning", "set var keep_turning = 0", "detach"])
        output, errors, status = started.end()
    check(output == "turned\n" and status == 0, f"{output!r}, {status}", text + errors)


@case()
def a_running_program_is_attached_to_and_left(context):
    interrupted(context, "spin")


@case()
def one_that_blocks_every_signal_too(context):
    interrupted(context, "spin-blocked")


@case()
def control_c(context):
    program = context.fixture("debugger/subject", "static-glibc")
    with guest(context, [program, "spin"]) as started:
        words = ["gdb", "-nx", "-q", "-batch"]
        for command in [*SETTINGS, started.remote, "continue", "print turns > 0", "set var keep_turning = 0", "continue"]:
            words += ["-ex", command]
        debugger = subprocess.Popen([*words, str(program)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    start_new_session=True)
        # gdb reads symbols first.
        time.sleep(3)
        debugger.send_signal(signal.SIGINT)
        try:
            text = debugger.communicate(timeout=SECONDS)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            debugger.kill()
            raise Failure("gdb does not come back", debugger.communicate()[0].decode(errors="replace")) from None
        output, errors, status = started.end()
    check("received signal SIGINT" in text and "$1 = 1" in text, "no stop", text)
    check(output == "turned\n" and status == 0, f"{output!r}, {status}", text + errors)


@case()
def a_call_that_waits_notices_nothing(context):
    program = context.fixture("debugger/subject", "static-glibc")
    with guest(context, [program, "rest"], stop=False) as started:
        time.sleep(0.5)
        text = started.debug(program, ["backtrace", "print total", "detach"])
        check("nanosleep" in text and "rest ()" in text, "not asleep", text)
        output, errors, status = started.end()
    check(output == "slept: whole\nrested\n" and status == 0, f"{output!r}, {status}", text + errors)


@case()
def a_connection_that_breaks_leaves_the_program_alone(context):
    program = context.fixture("debugger/subject", "static-glibc")
    with guest(context, [program]) as started:
        words = ["gdb", "-nx", "-q"]
        for command in [*SETTINGS, started.remote, "break add", "break change", "continue", "echo there\\n"]:
            words += ["-ex", command]
        debugger = subprocess.Popen([*words, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        seen = b""
        while b"there" not in seen:
            part = os.read(debugger.stdout.fileno(), 4096)
            check(part, "gdb has gone", seen.decode(errors="replace"))
            seen += part
        debugger.kill()
        debugger.communicate()
        output, errors, status = started.end()
    check(output == "14 7 as it was\nsummed\n" and status == 7, f"{output!r}, {status}", errors)


@per_variant
def another_program(context, variant):
    program = context.fixture("debugger/subject", variant)
    with guest(context, [program, "exec"]) as started:
        text = started.debug(program, ["catch exec", "continue", "break add", "continue", "backtrace", "delete", "continue"])
        output, errors, status = started.end()
    check("exec'd" in text and "first=3, second=4" in text, "the new program is not debugged", text)
    check(output == "14 7 as it was\nsummed\n" and status == 7, f"{output!r}, {status}", text + errors)


@case()
def children_run_free(context):
    program = context.fixture("debugger/subject", "static-glibc")
    with guest(context, [program, "children"]) as started:
        text = started.debug(program, ["break add", "continue", "backtrace", "continue"])
        output, errors, status = started.end()
    check(output == "child 5\nchild 6\n3\nchildren\n" and status == 0, f"{output!r}, {status}", text + errors)
    check("first=5, second=6" in text, "the breakpoint is not the parent's any more", text)


@per_variant
def children_are_told_of(context, variant):
    text = compare_scripts(context, "children", ["break done", "continue", "backtrace", "continue"], variant)
    check(len(re.findall("Detaching after v?fork from child", text)) == 3, "not three children", text)


@case(needs_vmrun=False)
def children_are_caught(context):
    text = compare_scripts(context, "children", [
        "catch fork", "catch vfork", "continue", "backtrace", "continue", "backtrace", "break add", "continue", "backtrace", "continue",
        "info breakpoints"])
    check("forked process" in text and "vforked process" in text, "no catchpoint", text)


@per_variant
def a_fork_child_is_followed(context, variant):
    text = compare_scripts(context, "children", [
        "set follow-fork-mode child", "break add", "continue", "backtrace", "finish", "print total", "continue"], variant)
    check("exited with code 05" in text, "not the child's status", text)


@per_variant
def a_vfork_child_is_followed(context, variant):
    text = compare_scripts(context, "vfork", [
        "set follow-fork-mode child", "break add", "continue", "backtrace", "finish", "print total", "continue"], variant)
    check("exited with code 06" in text, "not the child's status", text)


@per_variant
def a_child_is_followed_into_its_program(context, variant):
    """A vfork child of system(3), through the exec of a shell that has another symbol file, to its end."""
    text = compare_scripts(context, "spawn", ["set follow-fork-mode child", "catch exec", "continue", "print $_exitcode", "continue"], variant)
    check("exited with code 03" in text, "not the shell's status", text)


@case()
def the_parent_goes_on_when_its_child_is_followed(context):
    program = context.fixture("debugger/subject", "dynamic-glibc")
    for scene, expected in [("children", "child 5\nchild 6\n3\nchildren\n"), ("vfork", "child 6, 3\nvforked\n"), ("spawn", "3\nspawned\n")]:
        with guest(context, [program, scene]) as started:
            text = gdb(None, [started.remote, "set follow-fork-mode child", "break add", "continue", "backtrace", "delete", "continue"])
            output, errors, status = started.end()
        check(output == expected and status == 0, f"{scene}: {output!r}, {status}", text + errors)
        # It was read through a file that the parent had opened.
        check(scene == "spawn" or "first=1, second=2" in text, f"{scene}: no symbols in the child", text)


@case()
def threads_have_children_at_the_same_time(context):
    program = context.fixture("debugger/subject", "static-glibc")
    with guest(context, [program, "families"]) as started:
        text = started.debug(program, ["break done", "continue", "continue"])
        output, errors, status = started.end()
    check(output == "failures: 0\nfamilies\n" and status == 0, f"{output!r}, {status}", text + errors)
    check(len(re.findall("Detaching after fork", text)) == 24 and len(re.findall("Detaching after vfork", text)) == 24, "children are missing", text)


@case()
def two_processes_at_a_time_are_refused(context):
    program = context.fixture("debugger/subject", "static-glibc")
    with guest(context, [program, "children"]) as started:
        text = started.debug(program, ["set detach-on-fork off", "continue", "continue", "detach inferiors 2", "set detach-on-fork on", "continue"])
        output, errors, status = started.end()
    check("one process is debugged at a time, so detach-on-fork has to be on" in text, "no refusal", text)
    check(output == "child 5\nchild 6\n3\nchildren\n" and status == 0, f"{output!r}, {status}", text + errors)


@case()
def a_debugger_goes_while_a_child_waits(context):
    program = context.fixture("debugger/subject", "static-glibc")
    for catch in ("fork", "vfork"):
        for last in ("detach", "disconnect"):
            with guest(context, [program, "children"]) as started:
                text = started.debug(program, ["break add", f"catch {catch}", "continue", last])
                output, errors, status = started.end()
            check(output == "child 5\nchild 6\n3\nchildren\n" and status == 0, f"{catch}, {last}: {output!r}, {status}", text + errors)
        with guest(context, [program, "children"]) as started:
            text = started.debug(program, [f"catch {catch}", "continue", "kill"])
            status = started.end()[2]
        check(status == -signal.SIGKILL, f"{catch}: {status}", text)


@case(needs_vmrun=False)
def the_only_thread_that_runs_ends(context):
    text = compare_scripts(context, "threads", [
        "break done", "continue", "set var may_go = 1", "set scheduler-locking on", "thread 2", "continue",
        "set scheduler-locking off", "thread 1", "continue"])
    check("No unwaited-for children left" in text, "gdb still waits", text)


@case()
def symbols_come_through_the_stub(context):
    """gdb is told nothing but where the program is."""
    program = context.fixture("debugger/subject", "dynamic-glibc")
    with guest(context, [program]) as started:
        text = gdb(None, [started.remote, "break add", "continue", "backtrace", "info sharedlibrary", "info auxv", "delete", "continue"])
        output, errors, status = started.end()
    check("first=3, second=4" in text, "no symbols", text)
    check(re.search(r"Yes.*target:.*libc\.so", text), "no libraries", text)
    check("AT_ENTRY" in text, "no auxiliary vector", text)
    check(output == "14 7 as it was\nsummed\n" and status == 7, f"{output!r}, {status}", text + errors)


@case()
def a_program_of_a_sysroot(context):
    with guest(context, ["/bin/true"], sysroot=context.debian) as started:
        text = gdb(None, [started.remote, "info inferiors", "break exit", "continue", "info sharedlibrary", "continue"])
        output, errors, status = started.end()
    check("target:/" in text and re.search(r"target:.*libc\.so", text), "not the root's files", text)
    check(status == 0, f"{status}", text + errors)


@case()
def a_port(context):
    """TCP on the loopback, where the host chooses the port; vmrun says which it is. The guest has no network meanwhile."""
    program = context.fixture("debugger/subject", "static-glibc")
    words = context.under_vmrun([program], "--gdb", "0", "--gdb-stop-on-entry", "--net", "none")
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        found = re.search(r"target remote (127\.0\.0\.1:\d+)", line)
        check(found, "no port", line)
        text = gdb(program, [f"target remote {found[1]}", "break add", "continue", "continue"])
        output, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.communicate()
    check(output == "14 7 as it was\nsummed\n" and process.returncode == 7, f"{output!r}, {process.returncode}", text + errors)


@case()
def other_options_at_the_same_time(context):
    """Time that the program stands still is no time in which it runs."""
    program = context.fixture("debugger/subject", "static-glibc")
    with scratch() as folder:
        trace = folder / "trace"
        with guest(context, [program, "children"], "--trace", "-o", str(trace), "--stats", "--memory", "512M", "--timeout", "2") as started:
            text = started.debug(program, ["break add", "continue", "shell sleep 3", "next", "continue"])
            output, errors, status = started.end()
        lines = trace.read_text(errors="replace")
    check(output == "child 5\nchild 6\n3\nchildren\n" and status == 0, f"{output!r}, {status}", text + errors)
    check("first=5, second=6" in text and "exited normally" in text, "gdb has lost it", text)
    check("exit_group(5)" in lines and "exit_group(0)" in lines and "exit_group" in errors, "no trace, or no statistics", lines[-2000:] + errors)


@case()
def gdb_kills(context):
    program = context.fixture("debugger/subject", "static-glibc")
    with guest(context, [program, "spin"]) as started:
        started.debug(program, ["kill"])
        status = started.end()[2]
    check(status == -signal.SIGKILL, f"status {status}")


@case()
def an_unknown_peer_does_no_harm(context):
    """Noise on the connection, but nothing that changes the program: it still runs to its end."""
    import random
    import socket
    program = context.fixture("debugger/subject", "static-glibc")
    numbers = random.Random(1)
    with guest(context, [program]) as started:
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as peer:
                try:
                    peer.connect(started.place)
                except ConnectionRefusedError:
                    break  # One said "continue".
                peer.settimeout(0.05)
                for _ in range(20):
                    body = bytes(numbers.choice(b"mgpHTqQv?0123456789abcdef,:;#$}.*\x03-") for _ in range(numbers.randrange(40)))
                    with contextlib.suppress(OSError):
                        peer.sendall(b"$" + body + b"#%02x" % (sum(body) & 255))
                with contextlib.suppress(OSError):
                    peer.recv(65536)
        output, errors, status = started.end()
    check(status >= 0 and "internal error" not in errors, f"{output!r}, {status}", errors)
