"""--timeout: an uninterrupted stay in the guest that is too long ends the run, and nothing else does."""

import re

from harness.registry import case, check


@case()
def a_spinning_guest_is_ended(context):
    result = context.run(context.under_vmrun([context.fixture("process/exit"), "spin", "0"], "--timeout", "1"),
                         timeout=20)
    check(not result.timed_out and result.status == 124, result.describe(), result.transcript())
    report = result.stderr.decode(errors="replace")
    check(re.search(r"\bat 0x[0-9a-f]+", report), "the report does not say where", result.transcript())
    check(re.search(r"0x[0-9a-f]+", report), "the report has no address", result.transcript())


@case()
def also_one_with_children(context):
    script = f"{context.fixture('process/exit')} spin 0"
    result = context.run(context.under_vmrun(["/bin/sh", "-c", f"{script}; exit $?"], "--timeout", "1"), timeout=20)
    check(not result.timed_out, "timed out", result.transcript())
    check(not result.leaked, "left processes behind: " + "; ".join(result.leaked), result.transcript())
    check(result.status == 124, result.describe(), result.transcript())


@case()
def zero_switches_it_off(context):
    for options in [["--timeout", "0"], []]:
        result = context.run(context.under_vmrun([context.fixture("process/exit"), "spin", "0"], *options), timeout=3)
        check(result.timed_out, f"{options}: ended by itself: {result.describe()}", result.transcript())


@case()
def system_calls_are_no_stay(context):
    program = context.fixture("process/exit")
    result = context.run(context.under_vmrun([program, "spin-with-calls", "0"], "--timeout", "1"), timeout=4)
    check(result.timed_out, f"ended by itself: {result.describe()}", result.transcript())


@case()
def sleeping_is_no_stay(context):
    result = context.guest([context.fixture("process/exit"), "sleep", "3"], "--timeout", "1")
    check(result.status == 0, result.describe(), result.transcript())
