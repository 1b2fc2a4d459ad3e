"""valgrind: an emulator of this processor, linked low, that arranges its program's memory, threads and signals itself."""

import re

from harness.context import scratch
from harness.registry import case, check

#: What is said of the program is the same in every run, but for process ids, addresses, and counts that depend on both.
VARYING = [(r"==\d+==", "==PID=="), (r"0x[0-9A-F]+", "ADDRESS"), (r"Using Valgrind.*", "")]
#: Natively they pass under both; memcheck of threads or of forks takes minutes.
PROGRAMS = [("none", "process/fork"), ("none", "translated/threads"), ("none", "translated/mappings"),
            ("memcheck", "translated/mappings")]


def normalised(text):
    for pattern, replacement in VARYING:
        text = re.sub(pattern, replacement, text)
    return text


def found(context, tool, *words):
    """Run valgrind on a program with mistakes; it says the same of them as natively, among it these words."""
    with scratch() as folder:
        command = ["valgrind", f"--tool={tool}", "--leak-check=full", "--error-exitcode=9", "--log-fd=1"]
        command = [word for word in command if tool == "memcheck" or "leak" not in word]
        native = context.same_as_native([*command, context.fixture("emulators/mistakes", "dynamic-glibc")], native_status=9,
                                        normalise=normalised, timeout=120, env={"TMPDIR": str(folder)})
        for word in words:
            check(word in native.stdout, f"valgrind does not say '{word.decode()}'", native.transcript())


@case(needs_vmrun=False)
def valgrind_finds_mistakes(context):
    found(context, "memcheck", b"Invalid write", b"Invalid read", b"uninitialised", b"77 bytes in 1 blocks are definitely lost")


@case(needs_vmrun=False)
def valgrind_finds_races(context):
    found(context, "helgrind", b"Possible data race")


def program_case(program, tool):
    @case(f"valgrind-{tool}-{program.replace('/', '-')}", needs_vmrun=False)
    def run(context):
        with scratch() as one, scratch() as other:
            command = ["valgrind", f"--tool={tool}", "-q", "--log-file=/dev/null", context.fixture(program, "dynamic-glibc")]
            native = ["env", f"TMPDIR={one}", *map(str, command)]
            context.same_as_native(command, native_command=native, timeout=100, env={"TMPDIR": str(other)})


for tool, program in PROGRAMS:
    program_case(program, tool)
