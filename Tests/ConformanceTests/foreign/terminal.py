"""Shells of another processor on a terminal: the scenarios of cases/interactive.py, natively by the translator first."""

from cases import interactive
from harness import foreign
from harness.context import scratch
from harness.registry import case

SHELLS = {"busybox": ["/bin/busybox", "sh", "-i"], "bash": ["/bin/bash", "--norc", "--noprofile", "-i"]}


def terminal_case(shell, play):
    @case(f"{shell}-{play.__name__.replace('_', '-')}", needs_vmrun=False)
    def run(context):
        root = context.root("arm64")
        with scratch() as folder:
            interactive.attempt("natively", play, foreign.natively(SHELLS[shell], root, folder))
            if not context.native_only:
                interactive.attempt("vmrun", play, context.under_vmrun(SHELLS[shell], "--timeout", "0", sysroot=root))


for shell in SHELLS:
    for play in interactive.SCENARIOS:
        terminal_case(shell, play)
