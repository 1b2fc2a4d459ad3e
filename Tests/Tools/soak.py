"""Start and end vmrun again and again, kill members of its sessions at random moments, and look whether anything stays. Then let one
session run spawn storms, threads, mappings, signals, pipes, sockets and locks at once, and look whether each goes on and none fails.

    make soak                                        # 1000 rounds of each kind, then twenty minutes
    Tests/Tools/soak.py --rounds 30 --seconds 0      # what the conformance tests do
    Tests/Tools/soak.py --rounds 0 --seconds 60

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
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS, CLONE_NEWIPC = 0x20000, 0x8000000
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
#: What runs at once, again and again: fixtures that take no time limits of their own ill.
MIXED = ["process/storm", "process/fork_mappings", "process/vfork", "process/pipe_ends", "threads/pthreads", "threads/fresh_ids", "threads/futexes",
         "signals/storm", "memory/remap", "memory/anonymous", "sockets/unix", "sockets/messages", "files/locks"]
#: One of them, in FOLDER until there is a file `stop`.
WORKER = """
work() {
    while [ ! -e stop ]; do
        rm -rf "$1.files"; mkdir "$1.files"
        TMPDIR=$PWD/$1.files "$2" > "$1.out" 2> "$1.err" || { echo "$1 ended with $?"; tail -n 3 "$1.out" "$1.err"; } >> failures
        echo >> "$1.rounds"
    done
}
"""
#: How long one round of one may take beside all the others.
STANDSTILL = 300.0
SHORT = "echo x > /dev/shm/short; (sleep 0 & wait); /bin/true | cat; exit 7"


class Machine:
    """What can be left behind, counted."""

    @staticmethod
    def become_subreaper():
        """Orphans of what this process starts become its children."""
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    @staticmethod
    def live_apart():
        """What others leave in /dev/shm, /tmp and System V IPC is not this program's affair, nor the other way round. Takes root."""
        if os.geteuid() != 0 or ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS | CLONE_NEWIPC) != 0:
            return
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        for directory in ["/dev/shm"] + ([] if REPOSITORY.is_relative_to("/tmp") else ["/tmp"]):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", directory], check=True)

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


def mixed(options):
    """All of MIXED at once in one session, for so many seconds; the complaints."""
    complaints = []
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = pathlib.Path(name)
        programs = {fixture.replace("/", "-"): REPOSITORY / "build/fixtures/static-musl" / fixture for fixture in MIXED}
        script = WORKER + "".join(f"work {title} {path} &\n" for title, path in programs.items()) + "wait\n"
        before = Machine.descriptors(), Machine.segments(), Machine.shared_pages()
        process = subprocess.Popen([str(options.vmrun), "/bin/sh", "-c", script], cwd=folder, stdin=subprocess.DEVNULL)
        rounds, seen, sizes = dict.fromkeys(programs, 0), dict.fromkeys(programs, time.monotonic()), []
        began = time.monotonic()
        end = began + options.seconds
        while time.monotonic() < end and process.poll() is None and not complaints:
            time.sleep(1)
            sizes.append(resident(process.pid))
            for title in programs:
                file = folder / f"{title}.rounds"
                done = file.stat().st_size if file.exists() else 0
                if done > rounds[title]:
                    rounds[title], seen[title] = done, time.monotonic()
                elif time.monotonic() - seen[title] > STANDSTILL:
                    complaints.append(f"{title} stands still after {done} rounds")
        if process.poll() is not None:
            complaints.append(f"the session ended with {process.returncode}")
        (folder / "stop").touch()
        try:
            process.wait(0 if complaints else STANDSTILL)
        except subprocess.TimeoutExpired:
            if not complaints:
                complaints.append("does not come to its end")
            process.kill()
        left = kill_all(SECONDS) if complaints else reap()
        complaints += [f"process {pid} {text} stayed" for pid, text in left.items()]
        process.returncode = process.returncode or 0
        if (folder / "failures").exists():
            complaints += (folder / "failures").read_text(errors="replace").splitlines()[:40]
    early = sizes[len(sizes) // 4: len(sizes) // 2]
    if early and max(sizes[-3:]) > max(early) + 4096:
        complaints.append(f"the first process grew from {max(early)} to {sizes[-1]} KiB")
    if (Machine.descriptors(), Machine.segments()) != before[:2]:
        complaints.append("descriptors or System V segments stayed")
    if Machine.shared_pages() > before[2] + 4096 and not options.others:
        complaints.append(f"{Machine.shared_pages() - before[2]} KiB more shared memory than before")
    print(f"all at once: {sum(rounds.values())} rounds in {time.monotonic() - began:.0f} s (least {min(rounds.values())}, "
          f"{min(rounds, key=rounds.get)}), {len(complaints)} complaints", flush=True)
    return complaints


def resident(pid):
    """KiB of a process's memory, 0 where it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:")), 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1200, help="of everything at once; 0: not at all")
    parser.add_argument("--vmrun", type=pathlib.Path, default=REPOSITORY / "build/vmrun")
    parser.add_argument("--root", type=pathlib.Path, default=REPOSITORY / "build/roots/busybox")
    parser.add_argument("--seed", type=int, default=None, help="the random numbers' beginning")
    parser.add_argument("--others", action="store_true", help="other sessions run on this machine: leave theirs alone")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    random.seed(seed)
    Machine.become_subreaper()
    Machine.live_apart()
    complaints = []
    if options.rounds:
        complaints += soak("start and exit", start_and_exit, options) + soak("spawn and kill", spawn_and_kill, options)
    if options.seconds:
        complaints += mixed(options)
    for complaint in complaints:
        print(complaint)
    if complaints:
        print(f"the random numbers began with --seed {seed}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
