"""Compilers for this processor: in a root directory of their own, and Go in the host's."""

import shutil

from harness import foreign
from harness.context import scratch
from harness.registry import case, check


def compiled(context, compilers, **options):
    """Run compile.sh with these compilers in the amd64 root, `./` being the scripts' folder; each must make its program."""
    root = context.root("amd64")
    with scratch() as folder:
        # The native run is under chroot too: what it needs is in the root, in a directory of this test's.
        name = f"/tmp/{folder.name}"
        work = root / name.lstrip("/")
        shutil.copytree(foreign.SCRIPTS, work)
        compilers = [compiler.replace("./", f"{name}/") for compiler in compilers]
        try:
            native = context.same_as_native(["/bin/sh", f"{name}/compile.sh", *compilers], sysroot=root, env={"TMPDIR": name},
                                            **options)
        finally:
            shutil.rmtree(work)
    check(native.stdout.count(b"value 42,") == len(compilers), "not every program was compiled", native.transcript())


@case(needs_vmrun=False)
def tcc_in_a_sysroot(context):
    compiled(context, ["tcc"])


@case(needs_vmrun=False)
def tcc_with_musl_in_a_sysroot(context):
    compiled(context, ["./tcc-musl"])


@case(needs_vmrun=False)
def musl_gcc_in_a_sysroot(context):
    compiled(context, ["musl-gcc", "musl-gcc -static -O2"], timeout=120)


@case(needs_vmrun=False)
def gcc_in_a_sysroot(context):
    compiled(context, ["gcc", "gcc -static -O2", "gcc -g -fsanitize=undefined"], timeout=120)


def go_case(name, enabled):
    @case(name, needs_vmrun=False)
    def run(context):
        with scratch() as folder:
            # Each run has a cache of its own: the second one compiles as much as the first.
            native = context.same_as_native(["/bin/bash", str(foreign.SCRIPTS / "go_program.sh")], timeout=300,
                                            env={"TMPDIR": str(folder), "CGO_ENABLED": enabled})
        check(native.stdout.endswith(b"tested\n"), "not the whole script", native.transcript())


go_case("go-static", "0")
go_case("go-dynamic", "1")
