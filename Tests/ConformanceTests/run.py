"""Run the conformance tests: every guest fixture natively and under vmrun, and the cases.

See docs/testing.md. Needs Python 3.11 and nothing else.
"""

import argparse
import concurrent.futures
import fnmatch
import importlib
import json
import multiprocessing
import os
import pathlib
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(HERE))

from harness import fixture_tests, manifest, process  # noqa: E402
from harness.build import Builder  # noqa: E402
from harness.context import Context  # noqa: E402
from harness.registry import CASES, Failure, Skip  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description="Run the conformance tests.")
    parser.add_argument("-k", metavar="PATTERN", action="append", default=[],
                        help="only tests whose name contains PATTERN, or matches it when it has wildcards")
    parser.add_argument("-j", metavar="N", type=int, default=min(2, os.cpu_count() or 1), help="tests at a time")
    parser.add_argument("-v", action="store_true", help="say how long each test took, and show details untrimmed")
    parser.add_argument("--list", action="store_true", help="print the names of the tests and stop")
    parser.add_argument("--build-only", action="store_true", help="compile the fixtures and stop")
    parser.add_argument("--native-only", action="store_true", help="check the fixtures themselves, without vmrun")
    parser.add_argument("--command-line-only", action="store_true",
                        help="only what a vmrun for another processor can show under qemu-user")
    parser.add_argument("--vmrun", type=pathlib.Path, default=REPOSITORY / "build/vmrun", help="the binary to test")
    parser.add_argument("--mode", metavar="NAME", action="append", help="only these modes of the manifest")
    parser.add_argument("--suite", metavar="FOLDER", default="cases",
                        help="the cases of another folder instead, without the fixtures' tests")
    parser.add_argument("--counts", type=pathlib.Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def selected(name, patterns):
    return not patterns or any(fnmatch.fnmatch(name, pattern) if "*" in pattern else pattern in name
                               for pattern in patterns)


# What the workers run. They are forked from this process, so the tests need not be sent to them.
TESTS = []
CONTEXT = None


def run_test(index):
    """In a worker: run one test; return (outcome, message, details, seconds)."""
    start = time.monotonic()

    def outcome(word, message="", details=""):
        return word, message, details, time.monotonic() - start

    try:
        TESTS[index].run(CONTEXT)
        leaked = process.reap_leftovers()
        return outcome("FAIL", "left processes behind: " + "; ".join(leaked)) if leaked else outcome("PASS")
    except Skip as skip:
        return outcome("SKIP", str(skip))
    except Failure as failure:
        return outcome("FAIL", str(failure), failure.details)
    except Exception as error:
        return outcome("FAIL", f"the test itself broke: {error!r}", traceback.format_exc())
    finally:
        process.reap_leftovers(0)


def run_all(indices, jobs):
    """Run tests in worker processes; yield (test, result) as they end."""
    forking = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(jobs, forking, process.become_subreaper) as pool:
        futures = {pool.submit(run_test, index): index for index in indices}
        for future in concurrent.futures.as_completed(futures):
            test = TESTS[futures[future]]
            try:
                yield test, future.result()
            except concurrent.futures.process.BrokenProcessPool:
                yield test, ("FAIL", "a worker of the test runner was killed", "", 0)


def report(test, result, verbose):
    word, message, details, seconds = result
    line = f"{word} {test.name}" + (f": {message}" if message else "") + (f" ({seconds:.1f} s)" if verbose else "")
    if details and word == "FAIL":
        lines = details.rstrip().splitlines()
        if len(lines) > 40 and not verbose:
            lines = lines[:20] + [f"... {len(lines) - 40} lines (-v shows them)"] + lines[-20:]
        line += "".join(f"\n    {text}" for text in lines)
    print(line, flush=True)


def main():
    global CONTEXT
    options = arguments()
    process.take_usual_signals()
    modes, fixtures = manifest.read(REPOSITORY / "GuestFixtures/manifest.toml")
    modes = [mode for mode in modes if not options.mode or mode.name in options.mode]
    builder = Builder(REPOSITORY / "GuestFixtures", REPOSITORY / "build/fixtures")
    CONTEXT = Context(REPOSITORY, options.vmrun.resolve(), builder, fixtures, options.native_only)
    complaints = {}
    for path in sorted((HERE / options.suite).glob("[a-z]*.py")):
        importlib.import_module(f"{options.suite}.{path.stem}")
    # One folder's cases may be made of another's.
    tests = [test for test in CASES if test.run.__module__.startswith(f"{options.suite}.")]
    if options.suite == "cases":
        tests[:0] = fixture_tests.tests(CONTEXT, fixtures, modes, complaints)
    tests = [test for test in tests if selected(test.name, options.k)]
    if options.native_only:
        tests = [test for test in tests if not test.needs_vmrun]
    if options.command_line_only:
        tests = [test for test in tests if not test.needs_host]
    if options.list:
        print("\n".join(test.name for test in tests))
        return 0
    if not (options.native_only or options.build_only or os.access(CONTEXT.vmrun, os.X_OK)):
        print(f"There is no {options.vmrun}: run 'make' first, or check the fixtures alone with --native-only.",
              file=sys.stderr)
        return 1

    # Only what the selection needs, and before the first test: a compiler beside it would disturb.
    wanted = {test.name.removeprefix("unprivileged/").split(":")[0] for test in tests}
    pairs = [(fixture, variant) for fixture in fixtures for variant in fixture.variants
             if f"{fixture.name}.{variant}" in wanted or not (options.k or options.command_line_only or options.suite != "cases")]
    complaints.update(builder.build_all(pairs, options.j))
    if options.build_only:
        for (name, variant), complaint in complaints.items():
            print(f"FAIL {name}.{variant} does not compile\n{complaint}")
        print(f"{len(pairs) - len(complaints)} fixtures built, {len(complaints)} failed")
        return 1 if complaints else 0

    TESTS.extend(tests)
    counts = {"PASS": 0, "FAIL": 0, "SKIP": 0}
    together = [index for index, test in enumerate(TESTS) if not test.alone]
    by_itself = [index for index, test in enumerate(TESTS) if test.alone]
    for indices, jobs in [(together, options.j), (by_itself, 1)]:
        if indices:
            for test, result in run_all(indices, jobs):
                counts[result[0]] += 1
                report(test, result, options.v)

    skipped = f", {counts['SKIP']} skipped" if counts["SKIP"] else ""
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed{skipped}")
    if options.counts:
        options.counts.write_text(json.dumps({"passed": counts["PASS"], "failed": counts["FAIL"],
                                              "skipped": counts["SKIP"]}))
    return 1 if counts["FAIL"] or counts["PASS"] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
