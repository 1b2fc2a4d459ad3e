"""--stats: what it counts, and that it is told however a session ends."""

import json
import signal

from harness.context import scratch
from harness.registry import case, check

#: In a report for people.
TITLES = ["seconds", "system call", "total", "page faults", "peak memory"]


def counted(context, command, *options, status=0):
    """Run a command with --stats=json; its result and what was counted."""
    with scratch() as folder:
        result = context.guest(command, "--stats=json", *options, cwd=str(folder))
    check(result.status == status, f"{result.describe()} instead of {status}", result.transcript())
    text = result.stderr.decode()
    start = text.find('{"seconds"')
    check(start >= 0 and text.endswith("}\n"), "no statistics", text)
    try:
        return result, json.loads(text[start:])
    except ValueError as error:
        check(False, f"the statistics are no JSON: {error}", text)


def by_name(counts):
    return {call["name"]: call for call in counts["by_name"]}


def is_sound(counts):
    total = counts["calls"]
    for field in ["count", "errors", "in_guest", "switchless", "exits"]:
        check(total[field] == sum(call[field] for call in counts["by_name"]), f"{field}: the sum is another one", str(counts))
    for call in [total, *counts["by_name"]]:
        check(call["count"] == call["in_guest"] + call["switchless"] + call["exits"], "calls were served in no way", str(call))
        check(call["errors"] <= call["count"], "more errors than calls", str(call))
        check(0 <= call["seconds"] <= 60, "times that cannot be", str(call))
    check(counts["peak_memory_kib"] > 100 and counts["chunks"] > 0 and counts["faults"] > 0, "nothing of memory", str(counts))


@case()
def counts_of_a_known_program(context):
    program = context.fixture("trace/calls")
    for options in [[], ["--no-fast-syscalls"], ["--no-switchless"]]:
        _, counts = counted(context, [program], *options, status=5)
        is_sound(counts)
        check(counts["forks"] + counts["vforks"] == 3 and counts["threads"] == 1, "not its processes and threads", str(counts))
        check(counts["execs_in_place"] + counts["execs_in_fresh_image"] == 0, "it executes nothing", str(counts))
        calls = by_name(counts)
        # Two children and the program itself; another child dies.
        for name, count, errors in [("exit_group", 3, 0), ("exit", 1, 0), ("execve", 1, 1), ("umask", 2, 0), ("epoll_create1", 1, 0),
                                    ("timerfd_create", 1, 0), ("memfd_create", 1, 0), ("poll", 2, 0), ("connect", 1, 1), ("wait4", 4, 1)]:
            check(name in calls, f"no {name}", str(counts))
            check((calls[name]["count"], calls[name]["errors"]) == (count, errors), f"{name}: not {count} with {errors} errors",
                  str(calls[name]))
        if options:
            check(counts["calls"]["switchless"] == 0, "calls without an exit, though that is off", str(counts))


@case()
def counts_of_a_session(context):
    result, counts = counted(context, ["/bin/sh", "-c", "cat /etc/hostname; cat /etc/hostname; (exit 3)"], status=3)
    is_sound(counts)
    check(counts["vforks"] + counts["forks"] == 3, "not three children", str(counts))
    check(counts["execs_in_place"] + counts["execs_in_fresh_image"] == 2, "not two programs", str(counts))
    check(result.stdout.count(b"\n") == 2, "the program's output is another one", result.transcript())


@case()
def told_however_it_ends(context):
    for command, options, status in [
            (["/bin/sh", "-c", "kill -9 $$"], [], -signal.SIGKILL),
            (["/bin/sh", "-c", "kill $$"], [], -signal.SIGTERM),
            (["/bin/sh", "-c", "while :; do :; done"], ["--cpu-time", "1"], 124),
            (["/bin/sh", "-c", "exec 2>/dev/null; exit 4"], [], 4),
            # The first process ends, another one goes on.
            (["/bin/sh", "-c", "(sleep 0.2; exec cat /etc/hostname) & exit 2"], [], 2)]:
        _, counts = counted(context, command, *options, status=status)
        check(counts["calls"]["count"] > 5, "hardly any calls", str(counts))
        check(counts["peak_memory_kib"] > 100, "no memory", str(counts))


@case()
def table_for_people(context):
    result = context.guest(["/bin/true"], "--stats")
    text = result.stderr.decode()
    for title in TITLES:
        check(title in text, f"no {title}", text)


@case()
def calls_that_the_programs_filter_refuses(context):
    _, counts = counted(context, [context.fixture("trace/refused"), "error"])
    is_sound(counts)
    call = by_name(counts).get("getppid")
    check(call and (call["count"], call["errors"]) == (1, 1), "not one call with one error", str(counts))
