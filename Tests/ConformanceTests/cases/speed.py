"""What must cost what it costs natively. Bounds are generous: the machine may be busy; a lost order of magnitude is found."""

import re

from harness.registry import case, check


def nanoseconds(output, name):
    return float(re.search(rf"^{name} (\S+)$", output.decode(), re.MULTILINE)[1])


def ratio_case(name, limit):
    @case(name, alone=True)
    def run(context):
        program = context.fixture("cpu/speed", "static-glibc")
        # The best of a few rounds of both, in turns: what else runs disturbs both the same.
        native, guest = [], []
        for _ in range(3):
            native.append(nanoseconds(context.run([program]).stdout, name))
            result = context.guest([program])
            check(result.status == 0, result.describe(), result.transcript())
            guest.append(nanoseconds(result.stdout, name))
        ratio = min(guest) / min(native)
        check(ratio <= limit, f"{ratio:.2f} times the native {min(native):.1f} ns, more than {limit}")


ratio_case("loop", 1.15)
ratio_case("memory", 1.5)
ratio_case("clock", 2.0)
