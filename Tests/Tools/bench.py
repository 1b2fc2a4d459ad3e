"""Measure vmrun against native in one run and print ratios (`make bench`, `make bench-spawn`).

Absolute times mean nothing on a shared machine, so each row alternates native and vmrun and compares the medians. No
threshold is checked here and none in the tests: a person reads the table, and docs/performance.md keeps the last one.
"""

import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FIXTURES = ROOT / "build" / "fixtures" / "static-glibc"
SPAWNS = 100
#: Others that run a program in their own way, where they are installed; only their ratios are printed.
PEERS = {"qemu-x86_64": ["qemu-x86_64"], "proot": ["proot"]}
#: No measurement takes nearly as long.
SECONDS = 120


def wall(command):
    """Milliseconds from start to exit."""
    before = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=SECONDS)
    return (time.perf_counter() - before) * 1000


def reported(name, divisor=1):
    """What a fixture measured itself, inside: nanoseconds, by the divisor."""
    def measure(command):
        output = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, text=True,
                                timeout=SECONDS).stdout
        return float(re.search(rf"^{name} (\S+)$", output, re.MULTILINE)[1]) / divisor
    return measure


def spawn_rows():
    """Processes, threads, and talk between them, by the fixture process/costs."""
    for name, title in [
            ("fork", "fork, exit, wait"), ("fork-exec", "fork, exec, wait"), ("vfork-exec", "vfork, exec, wait"),
            ("spawn", "posix_spawn, wait"), ("large-fork", "fork, exit, wait with 200 MB touched"),
            ("large-fork-exec", "fork, exec, wait with 200 MB touched"), ("large-spawn", "posix_spawn, wait with 200 MB touched"),
            ("mappings-fork", "fork, exit, wait with 10 000 mappings"), ("thread", "pthread_create, join"),
            ("futex", "futex, to another thread and back"), ("pipe", "pipe, to another process and back"),
            ("signal", "kill(self), handler, return")]:
        yield f"{title} (µs)", reported(name, 1e3), [str(FIXTURES / "process" / "costs"), name], 5
    yield "1000 posix_spawns (ms)", reported("1000-spawns", 1e6), [str(FIXTURES / "process" / "costs"), "1000-spawns"], 3


def rows():
    speed = [str(FIXTURES / "cpu" / "speed")]
    loop = f"i=0; while [ $i -lt {SPAWNS} ]; do /bin/busybox true; i=$((i+1)); done"
    yield "busybox true, start to exit (ms)", wall, ["/bin/busybox", "true"], 40
    yield "/bin/true, dynamic (ms)", wall, ["/bin/true"], 40
    yield f"busybox sh, {SPAWNS} fork+exec (ms)", wall, ["/bin/busybox", "sh", "-c", loop], 5
    yield "dd bs=1, 20 000 calls (ms)", wall, ["/bin/busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=10000",
                                             "status=none"], 5
    yield "find /usr/share/doc (ms)", wall, ["/usr/bin/find", "/usr/share/doc"], 5
    yield "python3 -c 'import json, subprocess' (ms)", wall, ["/usr/bin/python3", "-c", "import json, subprocess"], 10
    yield "CPU loop (ns)", reported("loop"), speed, 3
    yield "memory walk (ns)", reported("memory"), speed, 3
    yield "clock_gettime (ns)", reported("clock"), speed, 3


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vmrun", default=str(ROOT / "build" / "vmrun"))
    parser.add_argument("--spawn", action="store_true", help="processes, threads, and talk between them, with other tools beside")
    options = parser.parse_args()
    peers = [peer for peer in PEERS if options.spawn and shutil.which(peer)]
    print(f"{os.uname().release}, {os.cpu_count()} processors; median (least to most)\n")
    print("| what | native | vmrun | ratio |" + "".join(f" {peer} |" for peer in peers))
    print("|---" * (4 + len(peers)) + "|")
    for name, measure, command, rounds in spawn_rows() if options.spawn else rows():
        native, guest = [], []
        others = {peer: [] for peer in peers}
        for _ in range(rounds):
            native.append(measure(command))
            guest.append(measure([options.vmrun, *command]))
            for peer in peers:
                try:
                    others[peer].append(measure([*PEERS[peer], *command]))
                except (subprocess.SubprocessError, TypeError):
                    pass  # It cannot do this: an empty list.
        print(f"| {name} | {spread(native)} | {spread(guest)} | {ratio(guest, native)} |"
              + "".join(f" {ratio(others[peer], native)} |" for peer in peers), flush=True)
    return 0


def ratio(values, native):
    return f"{statistics.median(values) / statistics.median(native):.2f}" if values else "fails"


if __name__ == "__main__":
    sys.exit(main())
