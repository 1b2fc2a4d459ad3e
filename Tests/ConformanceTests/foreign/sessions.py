"""Shells, compilers and interpreters of another processor."""

from harness import foreign
from harness.registry import case, check


def complete(native, first, last):
    lines = native.stdout.decode(errors="replace").splitlines()
    check(lines[0].startswith(first) and lines[-1].startswith(last), "not the whole session", native.transcript())


@case(needs_vmrun=False)
def busybox_session(context):
    complete(foreign.script(context, "busybox_session.sh", ["/bin/busybox", "sh"]), "aarch64", "30 programs")


@case(needs_vmrun=False)
def bash_session(context):
    complete(foreign.script(context, "bash_session.sh", ["/bin/bash"]), "Linux aarch64", "from perl")


@case(needs_vmrun=False)
def python_program(context):
    complete(foreign.script(context, "python_program.py", ["/usr/bin/python3"]), "aarch64", "['0', '1', '2']")


@case(needs_vmrun=False)
def compiled_by_tcc(context):
    native = foreign.script(context, "compile.sh", ["/bin/sh"], "tcc")
    check(native.stdout.count(b"value 42,") == 1, "not every program was compiled", native.transcript())


@case(needs_vmrun=False)
def compiled_by_gcc(context):
    native = foreign.script(context, "compile.sh", ["/bin/bash"], "gcc", "gcc -static -O2", "gcc -O2 -pie -g -Wall", timeout=300)
    check(native.stdout.count(b"value 42,") == 3, "not every program was compiled", native.transcript())
