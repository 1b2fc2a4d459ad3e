"""Threads that need more than one file."""

import os

from harness.context import compare
from harness.registry import case, check


@case()
def storage_of_a_library(context):
    library = context.fixture("threads/tls_library", "shared-glibc")
    context.same_as_native([context.fixture("threads/dlopened", "dynamic-glibc"), library])


@case()
def the_processor_is_always_the_first(context):
    # Natively on the first of node 0; in the guest on the last one that the host has.
    program = context.fixture("threads/processor", "static-glibc")
    expected = context.run(context.natively([program, "0"]))
    last = str(max(os.sched_getaffinity(0)))
    check(expected.status == 0, f"native: {expected.describe()}", expected.transcript())
    if not context.native_only:
        compare(expected.stdout.decode(), context.guest([program, last]).stdout.decode())
