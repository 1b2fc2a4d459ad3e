"""Threads that need more than one file."""

from harness.registry import case


@case()
def storage_of_a_library(context):
    library = context.fixture("threads/tls_library", "shared-glibc")
    context.same_as_native([context.fixture("threads/dlopened", "dynamic-glibc"), library])
