"""qemu-user as a program like others, given what to run: the ways in which it arranges its own memory and its program's."""

import itertools

from harness.context import scratch
from harness.registry import case

TRANSLATORS = {"aarch64": ["qemu-aarch64-static", "qemu-aarch64"], "arm": ["qemu-arm-static"], "riscv64": ["qemu-riscv64-static"]}
OPTIONS = {
    "plainly": [],
    # The whole of the program's addresses reserved without access, where qemu or the user chooses.
    "reserved": ["-R", "0x1000000000"],
    "at-a-base": ["-B", "0x100000000"],
    "reserved-at-a-base": ["-R", "0x1000000000", "-B", "0x10000000000"],
    "one-instruction-at-a-time": ["-singlestep"],
}
PROGRAMS = ["translated/mappings", "translated/signals"]


def translator_case(machine, translator, title, options):
    @case(f"{translator}-{title}", needs_vmrun=False)
    def run(context):
        for program in PROGRAMS:
            with scratch() as folder:
                context.same_as_native([translator, *options, context.fixture(program, f"{machine}-static")], timeout=120,
                                       env={"TMPDIR": str(folder)})


for machine, translators in TRANSLATORS.items():
    for translator, (title, options) in itertools.product(translators, OPTIONS.items()):
        # A 32-bit machine's memory is always reserved, all of it.
        if machine != "arm" or "-R" not in options:
            translator_case(machine, translator, title, options)


@case(needs_vmrun=False)
def dynamic_program_with_a_prefix(context):
    with scratch() as folder:
        program = context.fixture("translated/threads", "aarch64-dynamic")
        environment = {"TMPDIR": str(folder), "QEMU_LD_PREFIX": "/usr/aarch64-linux-gnu"}
        context.same_as_native([program], native_command=["qemu-aarch64-static", str(program)], timeout=100, env=environment)
