"""Times, and what is made of them. hyperfine takes those from start to exit."""

import dataclasses
import json
import pathlib
import re
import shlex
import statistics
import subprocess
import tempfile

#: What one command may take at most.
SECONDS = 120


class Failure(Exception):
    """A runner cannot do a row; the text says why, in a few words."""


@dataclasses.dataclass
class Sample:
    """One runner's values for one row, or why there are none."""
    values: list = dataclasses.field(default_factory=list)
    failure: str = ""

    @property
    def median(self):
        return statistics.median(self.values)

    def ratio(self, native):
        """(median, least, most) against the other's median; None where either has failed."""
        if self.failure or native.failure or not native.median:
            return None
        return self.median / native.median, min(self.values) / native.median, max(self.values) / native.median


def capture(command, seconds=SECONDS):
    """What a command prints; Failure where it does not end well."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise Failure(f"no end after {seconds} s") from None
    except OSError as error:
        raise Failure(error.strerror.lower()) from None
    if done.returncode != 0:
        raise Failure(ending(done.returncode, done.stderr.decode(errors="replace")))
    return done.stdout.decode(errors="replace")


def ending(status, complaint=""):
    """A status and the last line of stderr, short enough for a table."""
    how = f"signal {-status}" if status < 0 else f"status {status}"
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    return f"{how}: {lines[-1][:60]}".replace("|", "/") if lines else how


def wall(command, runs, before=()):
    """Milliseconds from start to exit of `runs` runs, with another command, which is not counted, before each."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "times.json"
        prepare = [f"--prepare={shlex.join(before)}"] if before else []
        capture(["hyperfine", "--shell=none", "--style=none", *prepare, f"--runs={runs}", f"--export-json={path}",
                 shlex.join(command)], SECONDS * runs)
        return [seconds * 1000 for seconds in json.loads(path.read_text())["results"][0]["times"]]


def reported(text, name, divisor):
    """What a program measured itself: the number behind `name`, by the divisor."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    if not found:
        raise Failure("no answer")
    return float(found[1]) / divisor
