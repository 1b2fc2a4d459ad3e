"""What the runners of third-party suites share: outcomes compared with the native ones, differences known by reason."""

import pathlib
import shutil
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "Tests/ConformanceTests"))

from harness import process  # noqa: E402
from harness.context import ENVIRONMENT  # noqa: E402
from harness.privilege import as_other_user  # noqa: E402


class Comparison:
    """Counts tests whose outcome under vmrun is the native one, and prints those whose is not.

    A difference with an entry in the file of known ones passes; an entry that no longer differs fails. Outcomes of `no_oracle`
    say nothing where they are the native ones, and fail.
    """

    def __init__(self, known_file, no_oracle=()):
        self.known = tomllib.loads(known_file.read_text())["known"] if known_file.exists() else {}
        self.no_oracle = no_oracle
        self.passed = self.failed = 0
        self.outcomes = {}

    def add(self, name, native, guest, details=""):
        """One test: its outcome natively, its outcome under vmrun, and what there is to say about the latter."""
        self.outcomes[native] = self.outcomes.get(native, 0) + 1
        reason = self.known.pop(name, None)
        if native in self.no_oracle:
            self.failed += 1
            print(f"FAIL {name}: natively {native}{indented(details)}", flush=True)
            return
        if native == guest and reason is None:
            self.passed += 1
            return
        if native != guest and reason is not None:
            self.passed += 1
            print(f"known {name}: natively {native}, under vmrun {guest}: {reason}", flush=True)
            return
        self.failed += 1
        if native == guest:
            print(f"FAIL {name}: is listed as a known difference, and is none any more ({native})", flush=True)
        else:
            print(f"FAIL {name}: natively {native}, under vmrun {guest}{indented(details)}", flush=True)

    def finish(self, has_run):
        """Print the closing line; known differences of tests that should have run must have come up. The exit status."""
        for name in filter(has_run, self.known):
            self.failed += 1
            print(f"FAIL {name}: is listed as a known difference, and there is no such test")
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        print(f"natively: {counts}")
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0


def run_unprivileged(command, folder, vmrun, *, cwd=None, env=None, timeout):
    """Run a command as a user without privileges, natively or under a copy of `vmrun` in `folder`: the result, and what it said."""
    if vmrun:
        # The tree may lie where that user cannot reach it.
        shutil.copy(vmrun, folder / "vmrun")
        command = [str(folder / "vmrun"), *command]
    result = process.run(as_other_user(command, folder), env={**ENVIRONMENT, **(env or {})}, cwd=cwd or folder, timeout=timeout)
    return result, (result.stdout + result.stderr).decode(errors="replace")


def indented(text):
    return "".join(f"\n    {line[:200]}" for line in text.splitlines()[-12:])
