"""Runs CPython's tests of some modules and writes what happens to each test, as it happens.

    python3 runner.py RESULTS MODULE...

Each test has two lines in RESULTS, tab separated: `start NAME`, and `end NAME OUTCOME DETAILS`. They are written at once,
so that a death or a hang shows which test it was. Tests that RESULTS names already are left out: a second run goes on
behind the test that ended the first one.
"""

import importlib
import os
import sys
import tempfile
import traceback
import unittest


def last_line(error):
    return "".join(traceback.format_exception_only(*error[:2])).strip()


class Recorder(unittest.TestResult):
    def __init__(self, path):
        super().__init__()
        self.output = open(path, "a", buffering=1, encoding="utf-8", errors="backslashreplace")
        self.process = os.getpid()
        self.outcome = None

    def line(self, *words):
        # A test that forks may let its child run on into the runner; that child has nothing to report.
        if os.getpid() == self.process:
            print(*(word.replace("\t", " ").replace("\n", " | ") for word in words), sep="\t", file=self.output)

    def startTest(self, test):
        super().startTest(test)
        self.outcome = ("ok", "")
        self.line("start", test.id())

    def stopTest(self, test):
        super().stopTest(test)
        self.line("end", test.id(), *self.outcome)

    def bad(self, kind, test, error):
        trace = "".join(traceback.format_exception(*error))
        print(f"--- {kind}: {test.id()}\n{trace}", file=sys.stderr, flush=True)
        if self.outcome is None or not isinstance(test, unittest.TestCase):
            # setUpClass, setUpModule or a module that cannot be imported: no test was started.
            self.line("end", str(test), kind, last_line(error))
        else:
            self.outcome = (kind, last_line(error))

    def addError(self, test, error):
        super().addError(test, error)
        self.bad("error", test, error)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.bad("failure", test, error)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.bad("failure" if issubclass(error[0], test.failureException) else "error", test, error)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if self.outcome is None or not isinstance(test, unittest.TestCase):
            self.line("end", str(test), "skipped", reason)
        else:
            self.outcome = ("skipped", reason)

    def addExpectedFailure(self, test, error):
        super().addExpectedFailure(test, error)
        self.outcome = ("expected failure", "")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.outcome = ("unexpected success", "")


def remaining(suite, done, patterns):
    """The same suite without the tests that are done, or that no pattern names."""
    kept = []
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            kept.append(remaining(test, done, patterns))
        elif test.id() not in done and (not patterns or any(pattern in test.id() for pattern in patterns)):
            kept.append(test)
    return suite.__class__(kept)


def main():
    results, *modules = sys.argv[1:]
    done = set()
    if os.path.exists(results):
        with open(results, encoding="utf-8") as lines:
            done = {line.rstrip("\n").split("\t")[1] for line in lines}
    patterns = os.environ.get("CPYTHON_TESTS", "").split()

    from test import support
    support.use_resources = {}
    support.verbose = False
    recorder = Recorder(results)
    for module in modules:
        with tempfile.TemporaryDirectory(prefix="cpython-", ignore_cleanup_errors=True) as directory:
            # Before the import: some modules make up the names of their files then.
            os.chdir(directory)
            try:
                tests = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(f"test.{module}"))
            except unittest.SkipTest as skip:
                recorder.line("end", module, "skipped", str(skip))
            else:
                remaining(tests, done, patterns).run(recorder)
            os.chdir("/")
    recorder.line("finished", "-")


if __name__ == "__main__":
    main()
