"""Start and end vmrun again and again, kill members of its sessions at random moments, and look whether anything stays.

    make soak                          # 1000 rounds of each kind
    Tests/Tools/soak.py --rounds 30    # what the conformance tests do

Prints one line for each kind of round, and what was left behind. Ends with status 1 where something was.
"""

import argparse
import ctypes
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PR_SET_CHILD_SUBREAPER = 36
#: How long one round may take on a busy machine.
SECONDS = 30.0

#: Starts processes of every kind, for ever.
BUSY = """
while :; do
    (sleep 0.01; /bin/true) &
    echo x | cat > /dev/null
    echo $$ > /dev/shm/soak.$$
    sh -c 'sh -c "sleep 0.02" & sh -c "exec /bin/true"'
    wait
done
"""
SHORT = "echo x > /dev/shm/short; (sleep 0 & wait); /bin/true | cat; exit 7"


class Machine:
    """What can be left behind, counted."""

    @staticmethod
    def become_subreaper():
        """Orphans of what this process starts become its children."""
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    @staticmethod
    def processes():
        """Processes below this one, zombies too: {pid: command}. This process is a subreaper, so nobody escapes it."""
        parents, names = {}, {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    text = pathlib.Path(f"/proc/{entry}/stat").read_bytes()
                except OSError:
                    continue
                name, rest = text.rsplit(b")", 1)
                parents[int(entry)] = int(rest.split()[1])
                names[int(entry)] = name.decode(errors="replace") + ") " + rest.split()[0].decode()
        below, todo = {}, [os.getpid()]
        while todo:
            parent = todo.pop()
            for pid, its in parents.items():
                if its == parent and pid not in below:
                    below[pid] = names[pid]
                    todo.append(pid)
        return below

    @staticmethod
    def shared_memory():
        return {name for name in os.listdir("/dev/shm") if name.startswith("vmrun-")}

    @staticmethod
    def segments():
        return set(pathlib.Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:])

    @staticmethod
    def temporary_files():
        return {name for name in os.listdir("/tmp") if name.startswith("vmrun")}

    @staticmethod
    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    @staticmethod
    def shared_pages():
        """KiB of shared memory in the whole machine: memfds and /dev/shm."""
        for line in pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("Shmem:"):
                return int(line.split()[1])
        return 0


def reap():
    """Wait for the orphans to end. Those that do not are killed and returned."""
    deadline = time.monotonic() + SECONDS
    left = {}
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return left
        if pid == 0:
            if time.monotonic() > deadline:
                for pid, name in Machine.processes().items():
                    left[pid] = name
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            time.sleep(0.002)


def start(options, script):
    return subprocess.Popen([str(options.vmrun), "--sysroot", str(options.root), "/bin/sh", "-c", script],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start_and_exit(options):
    process = start(options, SHORT)
    status = process.wait(SECONDS)
    return [] if status == 7 else [f"ended with {status} instead of 7"]


def spawn_and_kill(options):
    """SIGKILL to members at random moments, until none is left. The first process is one of them."""
    process = start(options, BUSY)
    time.sleep(random.uniform(0, 0.15))
    for _ in range(random.randrange(4)):
        victims = list(Machine.processes())
        if victims:
            kill(random.choice(victims))
        time.sleep(random.uniform(0, 0.01))
    kill(process.pid)
    # Orphans of a session live on, as they do natively.
    kill_all(SECONDS)
    process.returncode = -signal.SIGKILL
    return []


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def reap_the_dead():
    try:
        while os.waitpid(-1, os.WNOHANG)[0] > 0:
            pass
    except ChildProcessError:
        pass


def kill_all(seconds):
    """Kill what is below this process until nothing is, orphans that others adopt meanwhile too; what stays is returned."""
    end = time.monotonic() + seconds
    while Machine.processes() and time.monotonic() < end:
        for pid in Machine.processes():
            kill(pid)
        reap_the_dead()
    return Machine.processes()


def soak(name, round_, options):
    """Run all rounds of one kind; return the complaints."""
    complaints = []
    start(options, "exit").wait(SECONDS)
    directories, segments, files = Machine.shared_memory(), Machine.segments(), Machine.temporary_files()
    descriptors, pages = Machine.descriptors(), Machine.shared_pages()
    began = time.monotonic()
    for number in range(options.rounds):
        complaints += [f"round {number}: {complaint}" for complaint in round_(options)]
        complaints += [f"round {number}: process {pid} {text} stayed" for pid, text in reap().items()]
        if len(complaints) > 10:
            break
    # What the last session could not remove the next one does.
    start(options, "exit").wait(SECONDS)
    for what, before, after in [("/dev/shm", directories, Machine.shared_memory()),
                                ("System V segment", segments, Machine.segments()),
                                ("/tmp", files, Machine.temporary_files())]:
        if not options.others:
            complaints += [f"{what}: {entry} stayed" for entry in sorted(after - before)]
    if Machine.descriptors() != descriptors:
        complaints.append(f"{Machine.descriptors() - descriptors} descriptors more than before")
    grown = Machine.shared_pages() - pages
    if grown > 4096 and not options.others:
        complaints.append(f"{grown} KiB more shared memory than before")
    print(f"{name}: {options.rounds} rounds in {time.monotonic() - began:.1f} s, {len(complaints)} complaints", flush=True)
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--vmrun", type=pathlib.Path, default=REPOSITORY / "build/vmrun")
    parser.add_argument("--root", type=pathlib.Path, default=REPOSITORY / "build/roots/busybox")
    parser.add_argument("--seed", type=int, default=None, help="the random numbers' beginning")
    parser.add_argument("--others", action="store_true", help="other sessions run on this machine: leave theirs alone")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    random.seed(seed)
    Machine.become_subreaper()
    complaints = soak("start and exit", start_and_exit, options) + soak("spawn and kill", spawn_and_kill, options)
    for complaint in complaints:
        print(complaint)
    if complaints:
        print(f"the random numbers began with --seed {seed}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
