"""Programs for other processors as their users run them, quick ones; the folder foreign/ has more (`make test-foreign`)."""

from harness import foreign
from harness.registry import case, check

FIXTURES = [("translated/signals", "aarch64-static"), ("translated/threads", "aarch64-static"),
            ("translated/processes", "aarch64-dynamic"), ("translated/mappings", "aarch64-static")]


def fixture_case(name, variant):
    @case(f"{name.removeprefix('translated/')}-{variant}", needs_vmrun=False)
    def run(context):
        foreign.fixture(context, name, variant)


for name, variant in FIXTURES:
    fixture_case(name, variant)


@case(needs_vmrun=False)
def busybox_session(context):
    native = foreign.script(context, "busybox_session.sh", ["/bin/busybox", "sh"])
    check(native.stdout.startswith(b"aarch64\n") and native.stdout.endswith(b"30 programs\n"), "not the whole session",
          native.transcript())


@case(needs_vmrun=False)
def compiled_and_run(context):
    native = foreign.script(context, "compile.sh", ["/bin/sh"], "tcc", "gcc -static")
    check(native.stdout.count(b"value 42,") == 2, "not every program was compiled", native.transcript())
