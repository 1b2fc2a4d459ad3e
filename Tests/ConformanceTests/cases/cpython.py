"""A quick part of CPython's own tests, compared with native test by test; `make test-cpython` runs them all."""

import pathlib
import sys

from harness.registry import Skip, case, check

SUITE = pathlib.Path("/usr/lib/python3.11/test/test_fork1.py")
MODULES = ["test_fork1", "test_wait4", "test_subprocess", "test_signal"]
PATTERNS = ["test_fork1.", "test_wait4.", "test_subprocess.ProcessTestCase.test_communicate", "POSIXProcessTestCase.test_exception",
            "POSIXProcessTestCase.test_close_fds", "test_user", "test_signal.PidfdSignalTest", "test_signal.PendingSignalsTests"]


@case()
def quick_part(context):
    if not SUITE.exists():
        raise Skip("libpython3.11-testsuite is not installed: 'make test-cpython' installs it")
    tool = context.repository / "Tests/Tools/cpython_tests.py"
    patterns = [word for pattern in PATTERNS for word in ["-k", pattern]]
    result = context.run([sys.executable, str(tool), "--vmrun", str(context.vmrun), *patterns, *MODULES], timeout=240)
    check(not result.timed_out, "timed out", result.transcript())
    check(result.status == 0, result.describe(), result.transcript())
    check(not result.leaked, "left processes behind: " + "; ".join(result.leaked))
