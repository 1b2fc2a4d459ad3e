"""Run a short round on each kind of emulated host, and say what came of all of them: `make test-emulated-short`."""

import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
#: The longest that one boot may take; most of a minute is usual.
SECONDS = "600"
#: The tools, which take `--short --counts FILE`.
ROUNDS = ["svm_tests.py", "arm64_tests.py"]


def run():
    """How many tests passed and failed. A round that could not run is a failed one: what it lacks, it has said."""
    passed = failed = 0
    for tool in ROUNDS:
        with tempfile.NamedTemporaryFile(mode="r", suffix=".json") as counts:
            command = [sys.executable, HERE / tool, "--short", "--seconds", SECONDS, "--counts", counts.name]
            status = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
            text = counts.read()
        if not text:
            print(f"FAIL {tool} --short: it ended with status {status} before a host ran", flush=True)
        result = json.loads(text) if text else {"passed": 0, "failed": 1}
        passed += result["passed"]
        failed += result["failed"]
    return passed, failed


if __name__ == "__main__":
    passed, failed = run()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)
