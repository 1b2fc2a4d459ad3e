"""What is made once and kept in the user's cache, so that a clean checkout finds it again."""

import fcntl
import os
import pathlib
import subprocess
import tempfile


class Unavailable(Exception):
    """What was to be made cannot be had; the text says why."""


def folder():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "vmrun"


def once(path, make):
    """make(path), where it is not there yet."""
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path.with_suffix(".lock"), "w") as lock:
            # Two checkouts may want it at once; the second finds what the first made.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.is_dir():
                make(path)


def kept(name, make):
    """The folder of this name. make(work) makes it in a folder beside it: an interrupted try leaves nothing that looks finished."""
    def beside(path):
        with tempfile.TemporaryDirectory(prefix=name + ".", dir=path.parent) as work:
            os.rename(make(pathlib.Path(work)), path)

    path = folder() / name
    once(path, beside)
    return path


def command(words, where, environment=None):
    """Run a command in a folder; Unavailable with the end of what it said where it fails."""
    result = subprocess.run(words, cwd=where, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode != 0:
        raise Unavailable(f"{' '.join(words)} failed:\n{result.stderr.strip()[-1000:]}")
