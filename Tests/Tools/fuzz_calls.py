"""Run programs that make random system calls under vmrun, each with a seed of its own, and look at how vmrun takes it.

    make fuzz-calls                          # half an hour
    Tests/Tools/fuzz_calls.py --seconds 60   # a minute
    Tests/Tools/fuzz_calls.py --seed 17      # this one again

A program may end as it likes: by a status, a signal, or because its time is up, since it may come to wait for ever. vmrun may not: an internal error, a process or a file in
/dev/shm that stays, descriptors or memory of the machine that do not come back are failures. The programs run as an unprivileged user
in a root of their own. Prints the seeds that failed; ends with status 1 where there are any.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from soak import Machine, kill_all

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FUZZER = REPOSITORY / "build" / "fixtures" / "static-glibc" / "hostile" / "random"
NOBODY = 65534
#: A run that takes longer is killed.
RUN_SECONDS = 8
#: What the machine may have less at the end, in KiB: caches of its own come and go.
SLACK = 256 * 1024


class Root:
    """A small root that belongs to nobody, with the program in it."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-calls-"))
        for name in ("bin", "dev", "etc", "proc", "tmp"):
            (self.path / name).mkdir()
        shutil.copy(FUZZER, self.path / "bin" / "random")
        (self.path / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n", encoding="ascii")
        self.path.chmod(0o755)
        (self.path / "tmp").chmod(0o1777)

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def command(vmrun, root, seed, calls, options):
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
    return [*prefix, vmrun, "--sysroot", str(root.path), "--max-processes", "20", "--timeout", "0", *options, "/bin/random", str(seed), str(calls)]


def run(vmrun, root, seed, calls, options):
    """How one run ended: what is wrong with it, or nothing."""
    # A file, not a pipe: a process that it made and that waits for ever would hold that open.
    with tempfile.TemporaryFile() as complaint:
        process = subprocess.Popen(command(vmrun, root, seed, calls, options), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=complaint, start_new_session=True, cwd="/")
        try:
            process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        complaint.seek(0)
        lines = complaint.read().decode(errors="replace").strip().splitlines()
    if process.returncode == 125 or any("internal error" in line or "Fatal error" in line for line in lines):
        return lines[-1][:300] if lines else "status 125"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vmrun", default=str(REPOSITORY / "build" / "vmrun"))
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("options", nargs="*", help="further options of vmrun, after --")
    options = parser.parse_args()
    Machine.become_subreaper()
    Machine.live_apart()
    root = Root()
    before = Machine.shared_memory(), Machine.descriptors(), Machine.shared_pages()
    first = int(time.time()) if options.seed is None else options.seed
    end, seed, failures = time.monotonic() + options.seconds, first, 0
    try:
        while seed == first or (options.seed is None and time.monotonic() < end):
            wrong = run(options.vmrun, root, seed, options.calls, options.options)
            # Processes that the program made and that wait for ever are its own affair.
            left = kill_all(RUN_SECONDS)
            if left:
                wrong = wrong or f"left behind: {left}"
            if wrong:
                failures += 1
                print(f"seed {seed}: {wrong}", flush=True)
            seed += 1
        # The directories of killed sessions are the next session's to remove.
        run(options.vmrun, root, first, 0, options.options)
        kill_all(RUN_SECONDS)
    finally:
        root.remove()
    after = Machine.shared_memory(), Machine.descriptors(), Machine.shared_pages()
    if after[0] - before[0]:
        failures += 1
        print(f"left in /dev/shm: {sorted(after[0] - before[0])}")
    if after[1] != before[1]:
        failures += 1
        print(f"descriptors: {before[1]} before, {after[1]} after")
    if after[2] > before[2] + SLACK:
        failures += 1
        print(f"shared memory: {before[2]} KiB before, {after[2]} after")
    print(f"{seed - first} runs of up to {options.calls} calls, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
