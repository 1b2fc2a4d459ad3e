"""How costs grow with the number of threads, mappings, megabytes and descriptors; and what an idle process costs in memory."""

import os
import pathlib
import re
import subprocess
import time

from benchmark import measure, report
from benchmark.measure import Failure, Sample
from benchmark.runners import FIXTURES, LOAD

GROWTH = str(FIXTURES / "bench" / "growth")
TURNS = 3
IDLE_PROCESSES = 20

CURVES = [
    ("threads", "a system call, made by so many threads at once: all the time by all the calls (µs)", 1e3,
     [1, 2, 4, 8, 16, 32, 64]),
    ("mappings", "mmap and munmap of a page beside so many mappings (µs)", 1e3, [1, 100, 1000, 10_000, 50_000, 100_000]),
    ("memory", "fork, exit, wait with so many MB touched (ms)", 1e6, [1, 16, 256, 1024, 4096]),
    ("descriptors", "posix_spawn, wait with so many descriptors open (ms)", 1e6, [10, 100, 1000, 10_000]),
]


def available_megabytes():
    return int(re.search(r"^MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.MULTILINE)[1]) // 1024


def tables(native, vmrun, program, wanted=""):
    """Every curve as a table, printed as it is made."""
    lines = []

    def tell(*more):
        lines.extend(more)
        print("\n".join(more), flush=True)

    for name, title, divisor, counts in CURVES:
        if wanted not in name:
            continue
        tell(f"**{title[0].upper()}{title[1:]}**", "", "| " + name + " | native | vmrun | ratio |", "|---|---|---|---|")
        for count in counts:
            if name == "memory" and count > available_megabytes() // 4:
                tell(f"| {count:,} | this machine has too little memory | | |".replace(",", " "))
                continue
            samples = [Sample(), Sample()]
            for _ in range(TURNS):
                for runner, sample in zip((native, vmrun), samples):
                    add(sample, runner, name, count, divisor)
            cells = [f"{count:,}".replace(",", " "), *map(report.times, samples),
                     "" if samples[0].failure else report.ratio(samples[1], samples[0])]
            tell("| " + " | ".join(cells) + " |")
        tell("")
    if wanted in "idle":
        tell(*idle(native, vmrun))
    tell("", f"The program itself: {program.stat().st_size / 2**20:.2f} MiB (target: below 2).")
    return lines


def add(sample, runner, name, count, divisor):
    if sample.failure:
        return
    try:
        sample.values.append(measure.reported(runner.capture([GROWTH, name, str(count)]), name, divisor))
    except Failure as failure:
        sample.failure = str(failure)


def idle(native, vmrun):
    """Memory of processes that wait, each started by one shell: what their own mappings hold, and what the machine has less."""
    lines = [f"**Memory of an idle process, {IDLE_PROCESSES} of them** (MiB each; target: below 8 beyond the guest's own)",
             "", "| | native | vmrun | beyond |", "|---|---|---|---|"]
    found = {}
    for runner in (native, vmrun):
        try:
            found[runner.name] = idle_memory(runner)
        except Failure as failure:
            return [*lines, f"| {runner.name} | fails: {failure} | | |"]
    for index, title in enumerate(["its own share of what it has mapped (Pss)", "what the machine has less (MemAvailable)"]):
        one, other = found[native.name][index], found[vmrun.name][index]
        lines.append(f"| {title} | {one:.2f} | {other:.2f} | {other - one:.2f} |")
    return lines


def idle_memory(runner):
    """(Pss, MemAvailable's loss) for each process in MiB."""
    loop = f"for i in $(/bin/busybox seq {IDLE_PROCESSES}); do {LOAD} idle & done; wait"
    before = available_kilobytes()
    shell = subprocess.Popen([*runner.prefix, "/bin/busybox", "sh", "-c", loop], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        for _ in range(IDLE_PROCESSES):
            if shell.stdout.readline() != "idle\n":
                raise Failure("it did not start")
        time.sleep(0.5)
        after = available_kilobytes()
        pids = [pid for pid in below(shell.pid) if pid != shell.pid]
        total = sum(proportional_kilobytes(pid) for pid in pids)
        return total / 1024 / IDLE_PROCESSES, (before - after) / 1024 / IDLE_PROCESSES
    finally:
        os.killpg(shell.pid, 9)
        shell.communicate()


def available_kilobytes():
    return int(re.search(r"^MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.MULTILINE)[1])


def proportional_kilobytes(pid):
    try:
        return int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[1])
    except (OSError, TypeError):
        return 0


def below(pid):
    """A process and all that descend from it."""
    found, todo = [], [pid]
    while todo:
        process = todo.pop()
        found.append(process)
        for thread in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
            try:
                todo += [int(child) for child in thread.read_text().split()]
            except OSError:
                continue
    return found
