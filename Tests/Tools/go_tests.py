"""Run the tests of Go's own packages natively and under vmrun, and compare them test by test (`make test-go`).

The tests are those of Debian's golang-src, compiled natively and run by a user without privileges; whether the compiler runs under
vmrun is for test-foreign and test-programs to show. What differs for a known reason is in go/known.toml.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "ConformanceTests"))

from harness import process  # noqa: E402
from harness.context import scratch  # noqa: E402
from suite import ROOT, Comparison, run_unprivileged  # noqa: E402

PACKAGES = ["os", "os/exec", "os/signal", "os/user", "syscall", "net", "net/http/httptest", "io/fs", "path/filepath", "runtime/pprof",
            "sync", "internal/poll", "runtime"]
#: All of one package's tests.
SECONDS = 900
#: Not compared: natively they end otherwise from one time to the next, for they measure time or count on an idle machine.
UNSTEADY = re.compile(r"TestMemoryProfiler|TestCPUProfile|TestLabel|TestMathBigDivide|TestTimeoutReadWrite|Benchmark|TestGoroutineProfileConcurrency"
                      r"|TestMorestackWithoutBlock|TestGroupCleanup|TestReadTimeout|TestWriteTimeout|TestDialTimeout|TestCrashDumpsAllThreads"
                      r"|TestGdb|TestLldb|TestTryAdd|TestPhysicalPageMemory|TestPageAlloc|TestScavenged")


def run(package, program, root, vmrun, pattern):
    """{test: outcome}, and what was said."""
    with scratch("go-") as folder:
        # The tests read what lies beside their source.
        work = folder / "src"
        shutil.copytree(root / "src" / package, work, symlinks=True)
        (folder / "tmp").mkdir(mode=0o777)
        os.chmod(folder / "tmp", 0o777)
        shutil.copy(program, folder / "test")
        command = [str(folder / "test"), "-test.v", "-test.short", f"-test.timeout={SECONDS}s", *pattern]
        temporary = str(folder / "tmp")
        environment = {"HOME": temporary, "TMPDIR": temporary, "GOCACHE": f"{temporary}/cache", "GO111MODULE": "off"}
        result, said = run_unprivileged(command, folder, vmrun, cwd=work, env=environment, timeout=SECONDS)
    outcomes = {}
    for found in re.finditer(r"^--- (PASS|FAIL|SKIP): (\S+)", said, re.MULTILINE):
        if not UNSTEADY.search(found[2]):
            outcomes[found[2]] = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}[found[1]]
    outcomes["(whole)"] = "did not end" if result.timed_out else "passed" if result.status == 0 else "failed"
    return outcomes, said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vmrun", default=str(ROOT / "build/vmrun"))
    parser.add_argument("-k", dest="pattern", default="", help="only tests that match this regular expression")
    parser.add_argument("packages", nargs="*", help="default: " + " ".join(PACKAGES))
    options = parser.parse_args()
    process.become_subreaper()
    root = pathlib.Path(subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip())
    logs = ROOT / "build/go"
    logs.mkdir(parents=True, exist_ok=True)
    comparison = Comparison(HERE / "go/known.toml")
    pattern = [f"-test.run={options.pattern}"] if options.pattern else []
    for package in options.packages or PACKAGES:
        program = logs / package.replace("/", "-")
        built = subprocess.run(["go", "test", "-c", "-o", str(program), package], capture_output=True, text=True, cwd="/")
        if built.returncode != 0 or not program.exists():
            sys.exit(f"{package} does not compile:\n{built.stderr[-1000:]}")
        native, there = run(package, program, root, None, pattern)
        guest, here = run(package, program, root, options.vmrun, pattern)
        (logs / f"{program.name}.native").write_text(there)
        (logs / f"{program.name}.vmrun").write_text(here)
        # That one test fails is no news of the whole; that it hangs or dies is.
        if any(native[name] != guest.get(name) for name in native if name != "(whole)") and guest["(whole)"] == "failed":
            guest["(whole)"] = native["(whole)"]
        for name in sorted(native.keys() | guest.keys()):
            comparison.add(f"{package}.{name}", native.get(name, "absent"), guest.get(name, "absent"), details(here, name))
        print(f"{package}: {len(native) - 1} tests", flush=True)
    return comparison.finish(lambda _: not options.packages and not options.pattern)


def details(said, name):
    """What a test said, as far as it can be told from the others'."""
    found = re.search(rf"^=== RUN   {re.escape(name)}$(.*?)^(=== |--- )", said, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


if __name__ == "__main__":
    sys.exit(main())
