"""File and socket fixtures where paths go another way: below a root, and through a bind. And what vmrun refuses."""

import shutil

from harness.context import scratch
from harness.registry import case, check

#: Those that are about names.
FIXTURES = ["files/at_flags", "files/renamed", "files/nameless", "files/space", "files/listing", "files/path_only", "files/attributes",
            "files/watches", "files/changed_root", "files/locks", "files/told_by_signals", "sockets/unix", "sockets/names"]


def in_a_root(name):
    @case(f"in-a-root-{name.replace('/', '-')}", needs_vmrun=False)
    def run(context):
        with scratch() as folder:
            root = folder / "root"
            shutil.copytree(context.busybox, root, symlinks=True)
            program = root / "bin/fixture"
            shutil.copy(context.fixture(name), program)
            (root / "t").mkdir()
            native = context.same_as_native(["/bin/fixture"], sysroot=root, env={"TMPDIR": "/t"}, mounts=True, timeout=60,
                                            reset=lambda: renew(root / "t"))
            check(b"FAILED" not in native.stdout, "a section failed", native.transcript())
            if context.native_only:
                return
            # The same in a directory that is elsewhere on the host.
            bound = folder / "bound"
            bound.mkdir()
            result = context.guest(["/bin/fixture"], "--bind", f"{bound}:/b", sysroot=root, env={"TMPDIR": "/b"}, timeout=60)
            check(result.status == 0, f"through a bind: {result.describe()}", result.transcript())


def renew(directory):
    shutil.rmtree(directory)
    directory.mkdir()


for fixture in FIXTURES:
    in_a_root(fixture)


@case()
def what_is_refused(context):
    with scratch() as folder:
        result = context.guest([context.fixture("files/policy")], env={"TMPDIR": str(folder)})
        check(result.status == 0, result.describe(), result.transcript())
