"""Compilers for this processor in the host's own root; the folder foreign/ has more (`make test-foreign`)."""

from harness import foreign
from harness.context import scratch
from harness.registry import case, check


@case(needs_vmrun=False)
def compiled_and_run(context):
    compilers = ["gcc", "gcc -static -O2", "musl-gcc", "musl-gcc -static", "tcc"]
    with scratch() as folder:
        native = context.same_as_native(["/bin/sh", str(foreign.SCRIPTS / "compile.sh"), *compilers], timeout=120,
                                        env={"TMPDIR": str(folder)})
    check(native.stdout.count(b"value 42,") == len(compilers), "not every program was compiled", native.transcript())
