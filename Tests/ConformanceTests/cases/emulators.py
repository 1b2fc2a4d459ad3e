"""A program that loads others into its own process, as user-mode emulators do, at the addresses that those are linked to."""

import itertools

from harness.context import scratch
from harness.registry import case

LOADERS = [("emulators/loader", "static-pie"), ("emulators/loader_linked_low", "static-glibc"),
           ("emulators/loader_linked_low", "static-musl")]
PROGRAMS = {
    "static-glibc": ["process/hello", "threads/pthreads"],
    "static-musl": ["process/hello", "process/fork"],
    "static-pie": ["process/hello"],
    "dynamic-glibc": ["process/hello", "threads/pthreads"],
    "et-exec-dynamic": ["signals/handlers"],
    "dynamic-musl": ["process/hello"],
}


def loading_case(loader, loader_variant, variant):
    kind = loader.removeprefix("emulators/").replace("_", "-")

    @case(f"{kind}-{loader_variant}-loads-{variant}", needs_vmrun=False)
    def run(context):
        for program in PROGRAMS[variant]:
            with scratch() as folder:
                command = [context.fixture(loader, loader_variant), context.fixture(program, variant)]
                context.same_as_native(command, timeout=60, env={"TMPDIR": str(folder)})


for (loader, loader_variant), variant in itertools.product(LOADERS, PROGRAMS):
    loading_case(loader, loader_variant, variant)
