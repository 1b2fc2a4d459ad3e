"""svm_tests.py [-k PATTERN] [--npt 0|1]...: vmrun on standard KVM, on an emulated AMD host.

The development machine's KVM may be of another flavour than the one most users have, so this boots a
small Linux in QEMU (TCG, with SVM), and runs the static fixtures in it, natively and under vmrun. See docs/testing.md.
"""

import argparse
import fnmatch
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(REPOSITORY / "Tests/ConformanceTests"))

from harness import manifest  # noqa: E402
from harness.build import Builder  # noqa: E402
from harness.context import ENVIRONMENT  # noqa: E402
from svm_initramfs import Initramfs  # noqa: E402
from svm_jobs import fixture_jobs, own_jobs, program_jobs  # noqa: E402
from svm_kernel import KernelError, MODULES, kernel  # noqa: E402

AS_USER = """#!/bin/sh
# as_user USER COMMAND...
user=$1
shift
exec su -s /bin/sh -- "$user" -c 'exec "$@"' sh "$@"
"""


def arguments():
    parser = argparse.ArgumentParser(description="Run the static fixtures on an emulated standard KVM host.")
    parser.add_argument("-k", metavar="PATTERN", action="append", default=[],
                        help="only tests whose name contains PATTERN, or matches it when it has wildcards")
    parser.add_argument("--npt", action="append", choices=["0", "1"],
                        help="nested paging off or on; by default the host boots once for each")
    parser.add_argument("--program", metavar="COMMAND", action="append", default=[],
                        help="run this static program instead; its arguments are in the same word")
    parser.add_argument("--processors", default="1", help="how many the emulated host has")
    parser.add_argument("--cpu", default="EPYC", help="QEMU's processor model")
    parser.add_argument("--seconds", type=int, default=900, help="the longest that one boot may take")
    parser.add_argument("--vmrun", type=pathlib.Path, default=REPOSITORY / "build/vmrun", help="the binary to test")
    return parser.parse_args()


def selected(name, patterns):
    return not patterns or any(fnmatch.fnmatch(name, pattern) if "*" in pattern else pattern in name
                               for pattern in patterns)


def build_jobs(patterns, programs):
    """The selected jobs, with their fixtures compiled."""
    if programs:
        patterns = ["program/*"]
    _, fixtures = manifest.read(REPOSITORY / "GuestFixtures/manifest.toml")
    builder = Builder(REPOSITORY / "GuestFixtures", REPOSITORY / "build/fixtures")
    jobs = [*own_jobs(), *fixture_jobs(fixtures), *program_jobs(programs)]
    jobs = [job for job in jobs if selected(job.name, patterns)]
    # Once each, though several users run it: two compilers must not write the same file.
    pairs = {(job.fixture.name, job.variant): (job.fixture, job.variant) for job in jobs if job.fixture}
    complaints = builder.build_all(list(pairs.values()), 2)
    for (name, variant), complaint in complaints.items():
        sys.exit(f"{name}.{variant} does not compile:\n{complaint}")
    return jobs, builder


def write_initramfs(path, host, jobs, builder, vmrun, npt, work):
    disk = Initramfs(path)
    busybox = shutil.which("busybox") or sys.exit("busybox is not installed: run 'make setup'.")
    disk.add("init", (HERE / "svm_init.sh").read_bytes())
    disk.add("bin/busybox", pathlib.Path(busybox).read_bytes())
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True).stdout.split():
        if applet not in ["busybox", "true"]:
            disk.link(f"bin/{applet}", "/bin/busybox")
    # A fixture runs it under another name, and busybox goes by the name.
    disk.add("bin/true", compiled("int main(void) { return 0; }\n", work))
    disk.link("usr/bin", "/bin")
    disk.add("bin/as_user", AS_USER.encode())
    disk.add("bin/vmrun", vmrun.read_bytes())
    for module in MODULES:
        disk.add(f"modules/{module}.ko", (host / f"{module}.ko").read_bytes())
    disk.add("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n", 0o644)
    disk.add("etc/group", b"root:x:0:\nnogroup:x:65534:\n", 0o644)
    for folder in ["proc", "sys", "dev", "tmp", "root", "var/tmp"]:
        disk.folder(folder)
    disk.character_device("dev/console", 5, 1)
    disk.character_device("dev/null", 1, 3, 0o666)

    environment = {**ENVIRONMENT, "TMPDIR": "/tmp/t"}
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in environment.items())
    disk.add("settings", f"npt={npt}\n{exports}".encode())
    disk.add("jobs", "".join(job.line() for job in jobs).encode())
    for job in jobs:
        if job.stdin:
            disk.add(job.input_path.lstrip("/"), job.stdin.encode(), 0o644)
        if job.program:
            disk.add(job.command[0].lstrip("/"), pathlib.Path(job.program).read_bytes())
    for fixture, variant in sorted({(job.fixture.name, job.variant) for job in jobs if job.fixture}):
        # Without their debugging information ten times as many fit.
        stripped = work / "stripped"
        subprocess.run(["strip", "-o", str(stripped), str(builder.output / variant / fixture)], check=True)
        disk.add(f"fixtures/{variant}/{fixture}", stripped.read_bytes())
    disk.close()


def compiled(source, work):
    program = work / "compiled"
    subprocess.run(["musl-gcc", "-static", "-s", "-x", "c", "-", "-o", str(program)], input=source.encode(), check=True)
    return program.read_bytes()


def boot(host, initramfs, results, console, options):
    """Run the emulated host to its end; False where it had to be killed."""
    # One thread for all processors: QEMU's parallel ones have been seen to hang with a guest inside a guest.
    command = ["timeout", "-s", "KILL", str(options.seconds), "nice", "qemu-system-x86_64", "-accel", "tcg,thread=single",
               "-cpu", options.cpu, "-smp", options.processors, "-m", "2G", "-nodefaults", "-nographic", "-no-reboot",
               "-serial", f"file:{console}", "-serial", f"file:{results}", "-kernel", str(host / "vmlinuz"),
               "-initrd", str(initramfs), "-append", "console=ttyS0 panic=-1 quiet vsyscall=xonly"]
    with open(console.with_suffix(".qemu"), "wb") as errors:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True)
    return result.returncode == 0


def judge(jobs, results):
    """Print one line for each job; return how many passed and failed."""
    records, left, waits, seconds, before = {}, {}, {}, {}, 0
    for line in results.read_text(errors="replace").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "RESULT" and len(rest.split(" ")) == 8:
            name, uptime, *words = rest.split(" ")
            records[name] = words
            seconds[name] = float(uptime) - before
            before = float(uptime)
        elif kind == "LEFT":
            name, _, command = rest.partition(" ")
            left.setdefault(name, []).append(command)
        elif kind == "WAITS":
            name, _, what = rest.partition(" ")
            waits.setdefault(name, []).append(what)
        elif kind in ["HOST", "END"]:
            print(line)
    passed = failed = 0
    for job in jobs:
        complaint = "no result: the host stopped before it" if job.name not in records else job.judge(records[job.name])
        if not complaint and job.name in left:
            complaint = "left processes behind: " + "; ".join(left[job.name])
        if complaint:
            complaint += "".join(f"\n    waits: {what}" for what in waits.get(job.name, []))
        passed, failed = (passed, failed + 1) if complaint else (passed + 1, failed)
        print(f"FAIL {job.name}: {complaint}" if complaint else f"PASS {job.name} ({seconds[job.name]:.1f} s)")
    return passed, failed


def main():
    options = arguments()
    if not shutil.which("qemu-system-x86_64"):
        sys.exit("qemu-system-x86_64 is not installed: apt-get install qemu-system-x86")
    if not os.access(options.vmrun, os.X_OK):
        sys.exit(f"There is no {options.vmrun}: run 'make' first.")
    jobs, builder = build_jobs(options.k, options.program)
    try:
        host = kernel()
    except KernelError as error:
        sys.exit(f"There is no kernel for the emulated host: {error}")

    logs = REPOSITORY / "build/svm"
    logs.mkdir(parents=True, exist_ok=True)
    total = [0, 0]
    for npt in options.npt or ["1", "0"]:
        print(f"--- {options.cpu}, nested paging {'on' if npt == '1' else 'off'}", flush=True)
        console, results = logs / f"console-npt{npt}.log", logs / f"results-npt{npt}.log"
        results.write_bytes(b"")
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="vmrun-svm-") as folder:
            work = pathlib.Path(folder)
            write_initramfs(work / "initramfs", host, jobs, builder, options.vmrun, npt, work)
            whole = boot(host, work / "initramfs", results, console, options)
        passed, failed = judge(jobs, results)
        if not whole:
            print(f"The emulated host did not end by itself; its console is in {console}")
        print(f"{passed} passed, {failed} failed in {time.monotonic() - start:.0f} s", flush=True)
        total[0] += passed
        total[1] += failed
    print(f"{total[0]} passed, {total[1]} failed")
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
