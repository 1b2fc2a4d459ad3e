"""What is made once and kept in the user's cache, so that a clean checkout finds it again."""

import fcntl
import os
import pathlib
import tempfile


def folder():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "vmrun"


def kept(name, make):
    """The folder of this name. make(work) makes it in a folder beside it: an interrupted try leaves nothing that looks finished."""
    path = folder() / name
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path.with_suffix(".lock"), "w") as lock:
            # Two checkouts may want it at once; the second finds what the first made.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.is_dir():
                with tempfile.TemporaryDirectory(prefix=name + ".", dir=path.parent) as work:
                    os.rename(make(pathlib.Path(work)), path)
    return path
