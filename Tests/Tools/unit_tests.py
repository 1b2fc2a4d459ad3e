"""Run the Swift unit tests and say how many passed and failed.

Used by itself (`make unit`) and by test_all.py. `swift test` prints a line for each test in one of
two forms, XCTest's and Swift Testing's; both are counted.
"""

import argparse
import re
import subprocess
import sys

PASSED = re.compile(r"^Test Case '.*' passed \(|^\S+ Test .* passed after ")
FAILED = re.compile(r"^Test Case '.*' failed \(|^\S+ Test .* failed after ")
# Swift Testing closes with "Test run with N tests ... passed after ...", which is no test.
SUMMARY = re.compile(r"^\S+ Test run with ")


def run(swift, scratch_path, arguments=()):
    """Build and run the unit tests; return (passed, failed)."""
    command = [swift, "test", "--scratch-path", scratch_path, *arguments]
    passed = failed = 0
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace")
    quiet = []
    for line in process.stdout:
        line = line.rstrip("\n")
        if SUMMARY.match(line):
            continue
        if PASSED.match(line):
            passed += 1
            quiet.clear()
            continue
        if FAILED.match(line):
            failed += 1
            print("\n".join(quiet + ["FAIL unit " + line]), flush=True)
            quiet.clear()
            continue
        quiet.append(line)
    status = process.wait()
    if status != 0 and failed == 0:
        # It did not build, or a test brought the whole process down.
        print("\n".join(quiet[-60:] + [f"FAIL unit: '{' '.join(command)}' ended with status {status}"]), flush=True)
        failed = 1
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--swift", required=True)
    parser.add_argument("--scratch-path", required=True)
    options, arguments = parser.parse_known_args()
    passed, failed = run(options.swift, options.scratch_path, arguments)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
