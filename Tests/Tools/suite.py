"""What the runners of third-party suites share: outcomes compared with the native ones, differences known by reason."""

import pathlib
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Comparison:
    """Counts tests whose outcome under vmrun is the native one, and prints those whose is not.

    A difference with an entry in the file of known ones passes; an entry that no longer differs fails.
    """

    def __init__(self, known_file):
        self.known = tomllib.loads(known_file.read_text())["known"] if known_file.exists() else {}
        self.passed = self.failed = 0
        self.outcomes = {}

    def add(self, name, native, guest, details=""):
        """One test: its outcome natively, its outcome under vmrun, and what there is to say about the latter."""
        self.outcomes[native] = self.outcomes.get(native, 0) + 1
        reason = self.known.pop(name, None)
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

    def finish(self, is_whole):
        """Print the closing line; where the whole suite has run, what is known must have come up. The exit status."""
        if is_whole:
            for name in self.known:
                self.failed += 1
                print(f"FAIL {name}: is listed as a known difference, and there is no such test")
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        print(f"natively: {counts}")
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0


def indented(text):
    return "".join(f"\n    {line[:200]}" for line in text.splitlines()[-12:])
