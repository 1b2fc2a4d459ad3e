"""Run stress-ng's stressors for a second each with --verify, natively and under vmrun (`make test-stress-ng`).

As a user without privileges: what some of them do as root would be done to the machine. A stressor passes when it ends
under vmrun as it ends natively. What differs for a known reason is in stress_ng/known.toml.
"""

import argparse
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "ConformanceTests"))

from harness import process  # noqa: E402
from harness.context import scratch  # noqa: E402
from suite import ROOT, Comparison, run_unprivileged  # noqa: E402

CLASSES = ["os", "filesystem", "memory", "interrupt", "pipe", "scheduler"]
#: What stress-ng's manual page says of its exit status.
OUTCOMES = {0: "passed", 1: "wrong options", 2: "failed", 3: "no resources", 4: "not implemented", 5: "killed by a signal",
            6: "exited early", 7: "metrics untrustworthy"}
#: The longest that one may take; it asks for a second.
SECONDS = 60
#: Not compared, each for its reason.
LEFT_OUT = {
    "resources": "takes all memory of the machine, where other runs need it",
    "bigheap": "takes all memory of the machine",
    "brk": "takes all memory of the machine",
    "stack": "takes all memory of the machine",
    "io-uring": "io_uring is absent, and natively the stressor fails on some kernels",
    "sysinval": "makes calls with random arguments; natively it ends otherwise each time",
    "sysbadaddr": "makes calls with random arguments; natively it ends otherwise each time",
}


def stressors():
    names = set()
    for name in CLASSES:
        text = subprocess.run(["stress-ng", "--class", f"{name}?"], capture_output=True, text=True).stdout
        names |= set(text.partition("stressors:")[2].split())
    return sorted(names - LEFT_OUT.keys())


def run(name, vmrun, seconds):
    """(outcome, what it said)."""
    with scratch("stress-") as folder:
        command = ["stress-ng", f"--{name}", "1", "-t", str(seconds), "--verify", "--oomable", "--temp-path", str(folder)]
        result, said = run_unprivileged(command, folder, vmrun, timeout=SECONDS)
    if result.timed_out:
        return "did not end", said
    if result.leaked:
        return "left processes behind", said
    return OUTCOMES.get(result.status, f"status {result.status}"), said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vmrun", default=str(ROOT / "build/vmrun"))
    parser.add_argument("--seconds", type=int, default=1, help="for each stressor")
    parser.add_argument("names", nargs="*", help="stressors; by default those of the classes " + ", ".join(CLASSES))
    options = parser.parse_args()
    process.become_subreaper()
    comparison = Comparison(HERE / "stress_ng/known.toml")
    for name in options.names or stressors():
        native, _ = run(name, None, options.seconds)
        guest, said = run(name, options.vmrun, options.seconds)
        comparison.add(name, native, guest, said)
    return comparison.finish(lambda _: not options.names)


if __name__ == "__main__":
    sys.exit(main())
