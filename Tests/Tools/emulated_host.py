"""A small Linux with KVM in QEMU: what it boots with, how its results are read. svm_tests.py and arm64_tests.py say which.

QEMU emulates the processor together with its virtualization (TCG), so no KVM is needed to run it.
"""

import argparse
from collections.abc import Callable
import dataclasses
import fnmatch
import json
import pathlib
import shlex
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
from emulated_initramfs import Initramfs  # noqa: E402
from emulated_debugger import DebuggedJob, Debugger  # noqa: E402
from emulated_jobs import DOCTOR  # noqa: E402

AS_USER = """#!/bin/sh
# as_user USER COMMAND...
user=$1
shift
exec su -s /bin/sh -- "$user" -c 'exec "$@"' sh "$@"
"""


@dataclasses.dataclass
class Host:
    """One machine to boot."""
    #: For the names of its log files, and for people.
    name: str
    title: str
    #: Runs it to its end, and says whether it came to one: boot(host, initramfs, results, console, seconds, debugger).
    boot: Callable
    #: The names of its serial ports: for the console, for the results, and, where there is a third, for gdb.
    ports: list
    command_line: str
    kernel: pathlib.Path
    busybox: pathlib.Path
    #: {path in the RAM disk: content}: kernel modules, further programs.
    files: dict
    #: Shell commands that make /dev/kvm, and print one line about it.
    load: str
    #: What `vmrun doctor` must say there.
    doctor_says: list
    #: Compiles the one program that must not be busybox, and takes debugging information away.
    compiler: list
    strip: str
    #: Which of the jobs run on it, by patterns; all where there are none.
    only: list = dataclasses.field(default_factory=list)


def parser(description):
    """The options that every kind of host has."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("-k", metavar="PATTERN", action="append", default=[],
                        help="only tests whose name contains PATTERN, or matches it when it has wildcards")
    result.add_argument("--program", metavar="COMMAND", action="append", default=[],
                        help="run this static program instead; its arguments are in the same word")
    result.add_argument("--short", action="store_true", help="only the selection that 'make test' runs")
    result.add_argument("--counts", type=pathlib.Path, help=argparse.SUPPRESS)
    result.add_argument("--repeat", type=int, default=1, metavar="N", help="run each test N times in one boot")
    result.add_argument("--processors", default="1", help="how many the emulated host has")
    result.add_argument("--seconds", type=int, default=900, help="the longest that one boot may take")
    return result


def selected(name, patterns):
    return not patterns or any(fnmatch.fnmatch(name, pattern) if "*" in pattern else pattern in name
                               for pattern in patterns)


def build_jobs(make_jobs, patterns):
    """The selected ones of make_jobs(fixtures) with their fixtures compiled, and how many could not be: they are named."""
    _, fixtures = manifest.read(REPOSITORY / "GuestFixtures/manifest.toml")
    builder = Builder(REPOSITORY / "GuestFixtures", REPOSITORY / "build/fixtures")
    jobs = [job for job in make_jobs(fixtures) if selected(job.name, patterns)]
    # Once each, though several users run it: two compilers must not write the same file.
    pairs = {(job.fixture.name, job.variant): (job.fixture, job.variant) for job in jobs if job.fixture}
    complaints = builder.build_all(list(pairs.values()), 2)
    for (name, variant), complaint in complaints.items():
        print(f"FAIL {name}.{variant} does not compile:\n{complaint}")
    jobs = [job for job in jobs if not job.fixture or (job.fixture.name, job.variant) not in complaints]
    return jobs, builder, len(complaints)


def jobs_of(host, jobs):
    """Those that run on it, with what the doctor says of it."""
    return [dataclasses.replace(job, contains=[*job.contains, *host.doctor_says]) if job.command == DOCTOR else job
            for job in jobs if selected(job.name, host.only)]


def write_initramfs(path, host, jobs, builder, vmrun, work):
    disk = Initramfs(path)
    disk.add("init", (HERE / "emulated_init.sh").read_bytes())
    disk.add("bin/busybox", host.busybox.read_bytes())
    for applet in subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet not in ["busybox", "true"]:
            disk.link(f"bin/{applet}", "/bin/busybox")
    # A fixture runs it under another name, and busybox goes by the name.
    disk.add("bin/true", compiled(host, "int main(void) { return 0; }\n", work))
    disk.link("usr/bin", "/bin")
    disk.add("bin/as_user", AS_USER.encode())
    disk.add("bin/vmrun", vmrun.read_bytes())
    for name, content in host.files.items():
        disk.add(name, content)
    disk.add("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n", 0o644)
    disk.add("etc/group", b"root:x:0:\nnogroup:x:65534:\n", 0o644)
    for folder in ["proc", "sys", "dev", "tmp", "root", "var/tmp"]:
        disk.folder(folder)
    disk.character_device("dev/console", 5, 1)
    disk.character_device("dev/null", 1, 3, 0o666)

    environment = {**ENVIRONMENT, "TMPDIR": "/tmp/t"}
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in environment.items())
    disk.add("settings", f"report={host.ports[1]}\ndebugger={''.join(host.ports[2:])}\n{exports}".encode())
    disk.add("load", host.load.encode())
    disk.add("jobs", "".join(job.line() for job in jobs).encode())
    for job in jobs:
        if job.stdin:
            disk.add(job.input_path.lstrip("/"), job.stdin.encode(), 0o644)
        if job.program:
            disk.add(job.command[0].lstrip("/"), pathlib.Path(job.program).read_bytes())
    debugged = {job.fixture.name for job in jobs if isinstance(job, DebuggedJob)}
    for fixture, variant in sorted({(job.fixture.name, job.variant) for job in jobs if job.fixture}):
        program = builder.output / variant / fixture
        if fixture not in debugged:
            # Without their debugging information ten times as many fit.
            program = work / "stripped"
            subprocess.run([host.strip, "-o", str(program), str(builder.output / variant / fixture)], check=True)
        disk.add(f"fixtures/{variant}/{fixture}", program.read_bytes())
    disk.close()


def compiled(host, source, work):
    program = work / "compiled"
    subprocess.run([*host.compiler, "-static", "-s", "-x", "c", "-", "-o", str(program)], input=source.encode(), check=True)
    return program.read_bytes()


def boot_qemu(host, initramfs, results, console, seconds, debugger, qemu):
    """Run the emulated host to its end; False where it had to be killed. debugger: the socket of the port that gdb comes over. qemu: the
    program and its options, without kernel and RAM disk."""
    command = ["timeout", "-s", "KILL", str(seconds), "nice", *qemu, "-nodefaults", "-nographic", "-no-reboot",
               "-kernel", str(host.kernel), "-initrd", str(initramfs), "-append", host.command_line]
    with open(console.with_suffix(".qemu"), "wb") as errors:
        words = [word.format(console=console, results=results, debugger=debugger) for word in command]
        result = subprocess.run(words,
                                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True)
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


def run(hosts, make_jobs, options, logs, before=(0, 0)):
    """Boot each host, run the selected jobs in it, print what came of them; the exit status. `before` is what passed and failed
    without a host."""
    patterns = ["program/*"] if options.program else options.k
    jobs, builder, broken = build_jobs(make_jobs, patterns)
    if options.repeat > 1:
        jobs = [dataclasses.replace(job, name=f"{job.name}#{round}") for round in range(1, options.repeat + 1) for job in jobs]
    logs.mkdir(parents=True, exist_ok=True)
    total = [before[0], before[1] + broken]
    for host in hosts:
        print(f"--- {host.title}", flush=True)
        console, results = logs / f"console-{host.name}.log", logs / f"results-{host.name}.log"
        results.write_bytes(b"")
        own_jobs = jobs_of(host, jobs)
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="vmrun-emulated-") as folder:
            work = pathlib.Path(folder)
            write_initramfs(work / "initramfs", host, own_jobs, builder, options.vmrun, work)
            with Debugger(own_jobs, builder, results, work / "gdb"):
                whole = host.boot(host, work / "initramfs", results, console, options.seconds, work / "gdb")
        passed, failed = judge(own_jobs, results)
        if not whole:
            print(f"The emulated host did not end by itself; its console is in {console}")
        print(f"{passed} passed, {failed} failed in {time.monotonic() - start:.0f} s", flush=True)
        total[0] += passed
        total[1] += failed
    print(f"{total[0]} passed, {total[1]} failed")
    if options.counts:
        options.counts.write_text(json.dumps({"passed": total[0], "failed": total[1]}))
    return 1 if total[1] or not total[0] else 0
