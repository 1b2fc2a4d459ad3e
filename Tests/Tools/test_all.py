"""Run every test of the project: `make test`. The last line says `N passed, N failed`."""

import argparse
import difflib
import json
import pathlib
import subprocess
import sys
import tempfile

import emulated_short
import unit_tests

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def documentation_is_current():
    """docs/syscalls.md is generated from the system call table; it must say what the table says."""
    result = subprocess.run([ROOT / "build/syscall-docs"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    committed = ROOT / "docs/syscalls.md"
    present = committed.read_text() if committed.is_file() else ""
    if result.returncode == 0 and result.stdout == present and present:
        print("PASS docs/syscalls.md is current")
        return 1, 0
    changes = difflib.unified_diff(present.splitlines(), result.stdout.splitlines(), "docs/syscalls.md", "the table",
                                   lineterm="", n=0)
    print("\n".join([*list(changes)[:20], result.stderr]))
    print("FAIL docs/syscalls.md is not what the table says: run 'make syscall-docs'", flush=True)
    return 0, 1


def conformance():
    """Run the conformance tests; their counts come back in a file, so that their output can flow."""
    with tempfile.NamedTemporaryFile(mode="r", suffix=".json") as counts:
        command = [sys.executable, ROOT / "Tests/ConformanceTests/run.py", "--counts", counts.name]
        status = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
        text = counts.read()
    if not text:
        print(f"FAIL conformance: the runner itself ended with status {status}", flush=True)
        return 0, 1, 0
    result = json.loads(text)
    return result["passed"], result["failed"], result["skipped"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--swift", required=True)
    parser.add_argument("--scratch-path", required=True)
    options = parser.parse_args()

    passed = failed = skipped = 0
    for run in [lambda: unit_tests.run(options.swift, options.scratch_path), documentation_is_current, conformance,
                emulated_short.run]:
        counts = run()
        passed += counts[0]
        failed += counts[1]
        skipped += counts[2] if len(counts) > 2 else 0
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
