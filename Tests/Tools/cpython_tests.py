"""Run CPython's own tests natively and under vmrun, and compare them test by test (`make test-cpython`).

The tests are those of Debian's libpython3.11-testsuite. A test passes when its outcome under vmrun is the native one. What
differs for a known reason is in cpython/known.toml; an entry there that no longer differs fails. What is left out there is not compared.
"""

import argparse
import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import tomllib

from suite import ROOT, Comparison

HERE = pathlib.Path(__file__).resolve().parent / "cpython"
PYTHON = "/usr/bin/python3.11"
MODULES = ["test_fork1", "test_wait3", "test_wait4", "test_posix", "test_signal", "test_threading", "test_os", "test_subprocess",
           "test_mmap", "test_socket", "test_select", "test_epoll", "test_poll", "test_fcntl", "test_shutil", "test_tempfile",
           "test_multiprocessing_fork", "test_asyncio"]
#: A single test that says nothing for so long hangs. The slowest one makes a thousand children.
TEST_SECONDS = 300
#: All of one module's tests, on a busy machine.
MODULE_SECONDS = 1500


class Run:
    """One module's tests, natively or under a vmrun: {name: (outcome, details)}."""

    def __init__(self, prefix, module, log, patterns):
        self.prefix = prefix
        self.module = module
        self.log = log
        self.patterns = patterns
        self.deadline = time.monotonic() + MODULE_SECONDS
        self.outcomes = {}

    def complete(self):
        with tempfile.TemporaryDirectory(prefix="cpython-results-") as directory:
            results = pathlib.Path(directory) / "results"
            results.touch()
            while True:
                ended = self.some(results, directory)
                started = self.read(results)
                if started == "finished":
                    break
                if time.monotonic() > self.deadline:
                    self.outcomes[self.module] = ("hung", f"more than {MODULE_SECONDS} s for all tests")
                    break
                if started is None:
                    # Not between two tests of a module: before the first or behind the last.
                    self.outcomes[self.module] = ("died", ended)
                    break
                self.outcomes[started] = ("hung" if ended == "silent" else "died", ended)
                with open(results, "a", encoding="utf-8") as file:
                    print("end", started, *self.outcomes[started], sep="\t", file=file)
        return self.outcomes

    def some(self, results, directory):
        """Run tests until all are done, or one ends the process or hangs; say how it ended."""
        environment = {"PATH": os.environ["PATH"], "HOME": directory, "LC_ALL": "C.UTF-8", "TMPDIR": directory,
                       "CPYTHON_TESTS": " ".join(self.patterns)}
        # Below a shell, for some tests ask about their parent, and vmrun's own is no process of the guest's.
        command = [*self.prefix, "/bin/sh", "-c", '"$@"; exit $?', "sh", PYTHON, str(HERE / "runner.py"), str(results), self.module]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment,
                                   cwd="/", start_new_session=True)
        size, since = -1, time.monotonic()
        while True:
            try:
                status = process.wait(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                pass
            now = time.monotonic()
            if results.stat().st_size != size:
                size, since = results.stat().st_size, now
            if now - since > TEST_SECONDS or now > self.deadline:
                status = "silent"
                break
        # Whatever the tests left behind goes with them.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        return status if status == "silent" else f"status {status}"

    def read(self, results):
        """Take in the lines; return the test that was running at the end, "finished", or None."""
        started = None
        for line in results.read_text(encoding="utf-8").splitlines():
            kind, name, *rest = line.split("\t")
            if kind == "start":
                started = name
            elif kind == "end":
                started = None
                self.outcomes[name] = (rest[0], rest[1] if len(rest) > 1 else "")
            else:
                started = "finished"
        return started


def compare(module, native, guest, left_out, comparison):
    """Compare what the tests of one module came to."""
    absent = ("absent", "")
    for name in sorted((native.keys() | guest.keys()) - left_out.keys()):
        there, here = native.get(name, absent), guest.get(name, absent)
        comparison.add(name, there[0], here[0], "\n".join(filter(None, [described("natively", there), described("under vmrun", here)])))
    counts = {outcome: sum(value[0] == outcome for value in native.values()) for outcome, _ in native.values()}
    print(f"{module}: " + ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())) + " natively", flush=True)


def described(where, outcome):
    return f"{where}: {outcome[1][:300]}" if outcome[1] else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vmrun", default=str(ROOT / "build/vmrun"))
    parser.add_argument("-k", dest="patterns", action="append", default=[], help="only tests whose name contains this")
    parser.add_argument("modules", nargs="*", help=f"default: {' '.join(MODULES)}")
    options = parser.parse_args()
    left_out = tomllib.loads((HERE / "known.toml").read_text())["left_out"]
    comparison = Comparison(HERE / "known.toml", no_oracle=("died", "hung"))
    modules = options.modules or MODULES
    logs = ROOT / "build/cpython"
    logs.mkdir(parents=True, exist_ok=True)
    for module in modules:
        # Both at a time: a difference that the load makes shows in both, and half the time is waiting.
        with open(logs / f"{module}.native", "wb") as one, open(logs / f"{module}.vmrun", "wb") as other, \
                concurrent.futures.ThreadPoolExecutor() as pool:
            native = pool.submit(Run([], module, one, options.patterns).complete)
            guest = pool.submit(Run([options.vmrun], module, other, options.patterns).complete)
            compare(module, native.result(), guest.result(), left_out, comparison)

    def has_run(name):
        return (name.startswith(tuple(f"test.{module}." for module in modules))
                and (not options.patterns or any(pattern in name for pattern in options.patterns)))

    return comparison.finish(has_run)


if __name__ == "__main__":
    sys.exit(main())
