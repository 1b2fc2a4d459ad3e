"""Build the kernel's selftests of Debian's linux-source and run them natively and under vmrun (`make test-kselftest`).

Those of calls and of /proc that need no module and change nothing of the machine's, as a user without privileges. What a test says
in TAP is compared line by line, else its exit status. What differs for a known reason is in kselftest/known.toml.
"""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "ConformanceTests"))

import cache  # noqa: E402
from harness import process  # noqa: E402
from harness.context import scratch  # noqa: E402
from suite import ROOT, Comparison, run_unprivileged  # noqa: E402

PACKAGE = "linux-source-6.1"
#: Raised when what is kept in the cache changes.
RECIPE = "1"
#: What of the source is unpacked: the tests, and what `make headers` needs.
PARTS = ["tools/testing/selftests", "tools/include", "tools/scripts", "include", "scripts", "arch/x86", "usr", "Makefile", "Kconfig"]
SECONDS = 120


def source():
    """The folder with the kernel's source and, in usr/include, its headers as user space sees them."""
    def make(work):
        cache.command(["apt-get", "download", "-q", PACKAGE], work)
        [archive] = work.glob("*.deb")
        cache.command(["dpkg", "-x", str(archive), "unpacked"], work)
        [tarball] = (work / "unpacked/usr/src").glob("linux-source-*.tar.xz")
        top = tarball.name.removesuffix(".tar.xz")
        cache.command(["tar", "xJf", str(tarball), *[f"{top}/{part}" for part in PARTS]], work)
        cache.command(["make", "-s", "headers"], work / top)
        return work / top

    return cache.kept(f"kselftest-{RECIPE}", make)


def build(tree, group, output):
    """Compile a group's programs; the names of those that do not compile, with the first line that says why."""
    folder = tree / "tools/testing/selftests" / group["directory"]
    output.mkdir(parents=True, exist_ok=True)
    problems = {}
    for name in group["build"]:
        if (output / name).exists():
            continue
        # Some fixes of warnings came later than the kernel's release.
        line = ["gcc", "-O2", "-g0", "-std=gnu99", "-w", "-D_GNU_SOURCE", "-pthread", "-isystem", str(tree / "usr/include"),
                "-I..", *group.get("flags", []), f"{name}.c", *group.get("sources", []), "-o", str(output / name),
                *group.get("libraries", [])]
        result = subprocess.run(line, cwd=folder, capture_output=True, text=True)
        if result.returncode != 0:
            problems[name] = next((text for text in result.stderr.splitlines() if "error" in text), result.stderr[-200:])
    return problems


def run(output, line, vmrun):
    """[(test, outcome)] of one program, and what it said."""
    with scratch("kselftest-") as folder:
        shutil.copytree(output, folder / "tests")
        words = shlex.split(line)
        os.chmod(folder / "tests", 0o777)
        result, said = run_unprivileged([f"./{words[0]}", *words[1:]], folder, vmrun, cwd=folder / "tests", timeout=SECONDS)
    if result.timed_out:
        return [("", "did not end")], said
    outcomes = [("", result.describe())]
    for found in re.finditer(r"^(not ok|ok) (\d+)([^\n]*)", said, re.MULTILINE):
        skipped = "# SKIP" in found[3] or "# skip" in found[3].lower()
        outcomes.append((f"#{found[2]}", "skipped" if skipped else found[1]))
    return outcomes, said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vmrun", default=str(ROOT / "build/vmrun"))
    parser.add_argument("-k", dest="pattern", default="", help="only programs whose name contains this")
    options = parser.parse_args()
    process.become_subreaper()
    try:
        tree = source()
    except cache.Unavailable as error:
        sys.exit(str(error))
    comparison = Comparison(HERE / "kselftest/known.toml")
    for group in tomllib.loads((HERE / "kselftest/tests.toml").read_text())["group"]:
        lines = [line for line in group.get("run", group["build"]) if options.pattern in f"{group['directory']}/{line}"]
        if not lines:
            continue
        output = ROOT / "build/kselftest" / group["directory"]
        for name, problem in build(tree, group, output).items():
            print(f"does not compile: {group['directory']}/{name}: {problem}")
            lines = [line for line in lines if line.split()[0] != name]
        for line in lines:
            native, _ = run(output, line, None)
            guest, said = run(output, line, options.vmrun)
            there, here = dict(native), dict(guest)
            for test in sorted(there.keys() | here.keys()):
                name = f"{group['directory']}/{line}{test}"
                comparison.add(name, there.get(test, "absent"), here.get(test, "absent"), said)
    return comparison.finish(lambda _: not options.pattern)


if __name__ == "__main__":
    sys.exit(main())
