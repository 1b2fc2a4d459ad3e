"""Run the Swift unit tests and say how many passed and failed.

Used by itself (`make unit`) and by test_all.py. `swift test` prints a line for each test in one of
two forms, XCTest's and Swift Testing's; both are counted.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
# Far more than any target needs, on a busy machine too.
TARGET_SECONDS = 300

PASSED = re.compile(r"^Test Case '.*' passed \(|^\S+ Test .* passed after ")
FAILED = re.compile(r"^Test Case '.*' failed \(|^\S+ Test .* failed after ")
# Swift Testing closes with "Test run with N tests ... passed after ...", which is no test.
SUMMARY = re.compile(r"^\S+ Test run with ")


def targets():
    """The Swift test targets: the folders of Tests/ that hold Swift files."""
    return sorted({path.parent.name for path in TESTS.glob("*Tests/*.swift")})


#: Where a sanitizer cannot be: ThreadSanitizer refuses mappings in the guest's part of the address space, and AddressSanitizer has its
#: shadow there, which goes when a test empties it.
NOT_UNDER = {"address": {"GuestMemoryTests"}, "thread": {"GuestMemoryTests", "GuestImageTests", "SyscallsTests"}}


def run(swift, scratch_path, arguments=(), sanitizer=None):
    """Build and run the unit tests; return (passed, failed).

    Each target runs in a process of its own: some set what is set once in a process, as where vmrun's
    descriptors begin, and one that hangs must not take the others along.
    """
    options = ["--scratch-path", f"{scratch_path}-{sanitizer}", "--sanitize", sanitizer] if sanitizer else ["--scratch-path", scratch_path]
    build = subprocess.run([swift, "build", "--build-tests", *options], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if build.returncode != 0:
        print("\n".join(build.stdout.splitlines()[-60:] + ["FAIL unit: the tests do not build"]), flush=True)
        return 0, 1
    passed = failed = 0
    for target in targets():
        if target in NOT_UNDER.get(sanitizer, ()):
            continue
        command = [swift, "test", "--skip-build", *options, "--filter", rf"^{target}\.", *arguments]
        more_passed, more_failed = run_target(target, command)
        passed += more_passed
        failed += more_failed
    return passed, failed


def run_target(target, command):
    """Run one target's tests; return (passed, failed)."""
    try:
        # XCTest itself leaves memory behind at its end.
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, errors="replace", timeout=TARGET_SECONDS, env=environment)
        output, status = result.stdout, result.returncode
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode(errors="replace")
        status = f"after {TARGET_SECONDS} s without an end"
    passed = failed = 0
    quiet = []
    for line in output.splitlines():
        if SUMMARY.match(line):
            continue
        if PASSED.match(line):
            passed += 1
            quiet.clear()
        elif FAILED.match(line):
            failed += 1
            print("\n".join(quiet + ["FAIL unit " + line]), flush=True)
            quiet.clear()
        else:
            quiet.append(line)
    if (status != 0 and failed == 0) or passed + failed == 0:
        # A test brought the whole process down, or none ran.
        print("\n".join(quiet[-60:] + [f"FAIL unit {target}: ended with status {status}"]), flush=True)
        failed += 1
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--swift", required=True)
    parser.add_argument("--scratch-path", required=True)
    parser.add_argument("--sanitize", choices=["address", "thread"], help="build and run them under this sanitizer, beside the others")
    options, arguments = parser.parse_known_args()
    passed, failed = run(options.swift, options.scratch_path, arguments, options.sanitize)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
