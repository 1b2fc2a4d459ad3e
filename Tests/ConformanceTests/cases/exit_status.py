"""vmrun ends as its guest does: with the same status, or by the same signal."""

import signal

from harness.registry import case, check


def ends(context, *arguments, sysroot=None):
    program = context.fixture("process/exit")
    native = context.run([program, *arguments])
    guest = context.guest([program, *arguments])
    check(native.status == guest.status, f"{' '.join(arguments)}: {guest.describe()}, natively {native.describe()}",
          guest.transcript())
    return guest


@case()
def every_status(context):
    for status in [*range(0, 20), *range(120, 140), 200, 254, 255]:
        result = ends(context, "status", str(status))
        check(result.status == status, f"{result.describe()} instead of {status}")
        check(not result.stderr, "vmrun said something about an ordinary end", result.transcript())


@case()
def only_eight_bits(context):
    for status in ["256", "-1", "511"]:
        ends(context, "status", status)


@case()
def by_exit_group_and_by_the_last_thread(context):
    ends(context, "group", "33")
    ends(context, "thread", "34")


@case()
def every_deadly_signal(context):
    for number in [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT,
                   signal.SIGBUS, signal.SIGFPE, signal.SIGKILL, signal.SIGUSR1, signal.SIGSEGV, signal.SIGUSR2,
                   signal.SIGPIPE, signal.SIGALRM, signal.SIGTERM, signal.SIGXCPU, signal.SIGXFSZ,
                   signal.SIGVTALRM, signal.SIGPROF, signal.SIGSYS, signal.SIGRTMIN + 3, signal.SIGRTMAX]:
        result = ends(context, "signal", str(int(number)))
        check(result.status == -number, f"{result.describe()} instead of signal {int(number)}")


@case()
def a_fault_and_an_abort(context):
    check(ends(context, "fault", "0").status == -signal.SIGSEGV, "not SIGSEGV")
    check(ends(context, "abort", "0").status == -signal.SIGABRT, "not SIGABRT")


@case()
def a_shell_sees_128_and_the_number(context):
    program = context.fixture("process/exit")
    command = " ".join(context.under_vmrun([program, "signal", "15"]))
    result = context.run(["sh", "-c", f"{command}; echo $?"])
    check(result.stdout == b"143\n", "not 143", result.transcript())


@case()
def a_signal_to_vmrun_is_one_to_the_guest(context):
    """SIGTERM ends an ordinary guest; one that handles it goes on."""
    import subprocess
    import time
    sleeper = context.under_vmrun(["sleep", "60"], sysroot=context.busybox)
    process = subprocess.Popen(sleeper)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    check(process.wait(timeout=10) == -signal.SIGTERM, "SIGTERM did not end the guest")
    script = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    process = subprocess.Popen(context.under_vmrun(["sh", "-c", script], sysroot=context.busybox),
                               stdout=subprocess.PIPE)
    check(process.stdout.readline() == b"ready\n", "the guest did not start")
    process.send_signal(signal.SIGTERM)
    output = process.stdout.read()
    check(process.wait(timeout=10) == 9 and output == b"caught\n", "SIGTERM did not reach the guest's handler")


@case()
def two_hundred_starts(context):
    """Starting and ending leaves nothing behind and never fails."""
    with_status = [context.guest([context.fixture("process/exit"), "status", str(n & 0x7f)]).status for n in range(200)]
    check(with_status == [n & 0x7f for n in range(200)], "some start ended otherwise")
