"""Fixtures compiled for other processors. Those are listed that pass there natively: the others find limits of qemu-user."""

from harness import foreign
from harness.registry import case, check

#: Made for this; all others test vmrun in the first place.
TRANSLATED = ["translated/signals", "translated/threads", "translated/processes", "translated/mappings"]
FIXTURES = [
    *TRANSLATED,
    "files/contents", "files/deep_directory", "files/directories", "files/paths", "sockets/unix", "files/watches",
    "files/working_directory", "memory/anonymous", "memory/stack", "process/clone_arguments", "process/exec_descriptors",
    "process/exec_killed", "process/exec_script", "process/exec_without_success", "process/fork", "process/job_control",
    "process/pipe_ends", "process/proc_pidfd", "process/vfork_limits", "process/wait", "signals/basics", "signals/restart",
    "signals/stops", "signals/timers", "threads/cancellation", "threads/ends", "threads/inherited", "threads/pthreads",
]


def fixture_case(name, variant):
    @case(f"{name}.{variant}", needs_vmrun=False)
    def run(context):
        native = foreign.fixture(context, name, variant)
        check(b"ok\n" in native.stdout, "the fixture ran no section", native.transcript())


for name in FIXTURES:
    fixture_case(name, "aarch64-static")
for name in [*TRANSLATED, "process/fork", "process/wait", "threads/pthreads", "signals/basics", "files/directories"]:
    fixture_case(name, "aarch64-dynamic")
for name in TRANSLATED:
    fixture_case(name, "riscv64-static")
    fixture_case(name, "arm-static")


def hello_case(variant):
    @case(f"process/hello.{variant}", needs_vmrun=False)
    def run(context):
        native = foreign.fixture(context, "process/hello", variant)
        check(native.stdout == b"hello, world\n", "other output", native.transcript())


for variant in ["aarch64-static", "aarch64-dynamic", "riscv64-static", "arm-static"]:
    hello_case(variant)
