"""Larger programs in the Debian root: the same output as natively. `make test-programs` runs many more, in a root of their own."""

import contextlib
import pathlib
import shutil
import tempfile

from harness.registry import case


@contextlib.contextmanager
def directory_inside(root):
    """A new directory in the root's /tmp, and its path there."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="vmrun-", dir=root / "tmp"))
    try:
        path.chmod(0o755)
        yield path, "/" + str(path.relative_to(root))
    finally:
        shutil.rmtree(path, ignore_errors=True)


@case(needs_vmrun=False)
def python_modules(context):
    """multiprocessing in its three ways, threads, subprocess, asyncio, sqlite3, sockets, mmap."""
    with directory_inside(context.debian) as (folder, inside):
        shutil.copy(context.repository / "Tests/Tools/programs/python/main.py", folder)
        # Each run in an empty directory.
        script = f'mkdir {inside}/run && cd {inside}/run && python3 ../main.py; status=$?; rm -r {inside}/run; exit $status'
        context.same_as_native(["/bin/sh", "-c", script], "--timeout", "0", sysroot=context.debian, timeout=120)
