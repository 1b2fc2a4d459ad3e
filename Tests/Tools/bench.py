"""Measure vmrun against native in one run and print ratios (`make bench`).

Absolute times mean nothing on a shared machine, so each row alternates native and vmrun and compares the medians. No
threshold is checked here and none in the tests: a person reads the table, and docs/performance.md keeps the last one.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FIXTURES = ROOT / "build" / "fixtures" / "static-glibc"
SPAWNS = 100


def wall(command):
    """Milliseconds from start to exit."""
    before = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - before) * 1000


def reported(name):
    """Nanoseconds that the fixture cpu/speed measured itself, inside."""
    def measure(command):
        output = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, text=True).stdout
        return float(re.search(rf"^{name} (\S+)$", output, re.MULTILINE)[1])
    return measure


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
    options = parser.parse_args()
    print(f"{os.uname().release}, {os.cpu_count()} processors; median (least to most)\n")
    print("| what | native | vmrun | ratio |\n|---|---|---|---|")
    for name, measure, command, rounds in rows():
        native, guest = [], []
        for _ in range(rounds):
            native.append(measure(command))
            guest.append(measure([options.vmrun, *command]))
        ratio = statistics.median(guest) / statistics.median(native)
        print(f"| {name} | {spread(native)} | {spread(guest)} | {ratio:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
