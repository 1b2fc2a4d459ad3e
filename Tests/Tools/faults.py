"""Let every host call that vmrun makes fail in turn, and look at what becomes of it.

    make test-faults                             # all
    Tests/Tools/faults.py -k spawn               # one program
    Tests/Tools/faults.py -k exec --only sendmsg:3:ENOMEM -v
    Tests/Tools/faults.py --short                # what the conformance tests do

The vmrun is one that was built for this (CShim/faults.c). A clean run of each program counts the calls; then the program runs once
for each call and errno that the host may answer. Right is: nothing at all happens; the guest gets an errno; vmrun says one sentence and
ends with 125; after execve(2)'s point of no return death by SIGSEGV. Wrong is everything else: a hang, an internal error, an output that is
short of something, a process or a file that stays. Prints what was wrong; ends with status 1 where something was.
"""

import argparse
import atexit
import collections
import concurrent.futures
import ctypes
import dataclasses
import errno
import fcntl
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

from soak import Machine, kill_all

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = REPOSITORY / "build/fixtures"
#: A program that takes longer hangs.
SECONDS = 10.0

#: struct vmrun_faults.
HEADER = struct.Struct("=iiiiQ")
KINDS = 1024
OWN_KINDS = {"heap": 1000, "thread": 1001, "fork()": 1002, "helper": 1003, "KVM_RUN": 1004}
#: Of calls that are made again and again without a difference so many fail, spread evenly.
SAMPLED = {"KVM_RUN": 12, "process_vm_readv": 12, "process_vm_writev": 12, "kcmp": 12}

#: What the host may answer to which call, by the manual pages. A call that is not here, or has nothing, cannot fail where vmrun makes it: it asks who
#: it is, sets a mask, or gives something back.
POSSIBLE = {
    "heap": "ENOMEM", "thread": "EAGAIN", "fork()": "EAGAIN ENOMEM", "helper": "EAGAIN ENOMEM", "clone": "EAGAIN ENOMEM",
    "openat": "ENOMEM EMFILE EINTR", "openat2": "ENOMEM EMFILE EAGAIN EINTR", "read": "EINTR ENOMEM", "pread64": "EINTR ENOMEM",
    "write": "EINTR ENOSPC", "pwrite64": "EINTR ENOSPC", "mmap": "ENOMEM EAGAIN", "munmap": "ENOMEM", "mprotect": "ENOMEM",
    "mremap": "ENOMEM EAGAIN", "madvise": "ENOMEM EAGAIN", "mlock2": "ENOMEM EAGAIN", "memfd_create": "EMFILE ENOMEM",
    "ftruncate": "EINTR ENOSPC", "fallocate": "ENOSPC EINTR", "ioctl": "ENOMEM EINTR", "KVM_RUN": "ENOMEM EINTR", "fcntl": "EMFILE", "dup3": "EMFILE", "pipe2": "EMFILE ENFILE",
    "socketpair": "EMFILE ENOMEM", "socket": "EMFILE ENOMEM", "sendmsg": "ENOMEM EAGAIN EINTR", "recvmsg": "ENOMEM EINTR",
    "execve": "ENOMEM EAGAIN", "unshare": "ENOMEM", "pidfd_open": "EMFILE ENOMEM", "futex": "EAGAIN EINTR", "nanosleep": "EINTR",
    "getdents64": "ENOMEM EINTR", "newfstatat": "ENOMEM", "statx": "ENOMEM", "fstat": "ENOMEM", "fstatfs": "ENOMEM EINTR", "statfs": "ENOMEM EINTR",
    "readlinkat": "ENOMEM", "mkdirat": "ENOSPC ENOMEM", "linkat": "ENOSPC", "symlinkat": "ENOSPC", "renameat2": "ENOSPC ENOMEM", "unlinkat": "ENOMEM",
    "faccessat2": "ENOMEM", "fchdir": "ENOMEM", "flock": "EINTR ENOMEM", "timer_create": "EAGAIN ENOMEM", "seccomp": "ENOMEM",
    "landlock_create_ruleset": "EMFILE", "landlock_add_rule": "ENOMEM", "landlock_restrict_self": "ENOMEM", "process_vm_readv": "ENOMEM",
    "process_vm_writev": "ENOMEM", "membarrier": "ENOMEM", "mincore": "EAGAIN", "bind": "ENOMEM", "connect": "EAGAIN EINTR",
    "inotify_add_watch": "ENOSPC ENOMEM", "flistxattr": "ENOMEM", "fgetxattr": "ENOMEM", "kcmp": "EPERM", "set_robust_list": "", "close_range": "",
    "rt_sigtimedwait": "EINTR", "prlimit64": "", "getrandom": "EINTR", "tgkill": "EAGAIN", "rt_tgsigqueueinfo": "EAGAIN", "timer_settime": "",
}

#: Programs of the fixture, and of others that know nothing of this.
PROGRAMS = {
    "nothing": ["static-musl", "nothing"],
    "dynamic": ["dynamic-glibc", "nothing"],
    "fork": ["static-musl", "fork"],
    "exec": ["static-musl", "exec"],
    "exec-dynamic": ["dynamic-glibc", "exec"],
    "replace": ["static-musl", "replace"],
    "spawn": ["static-musl", "spawn"],
    "spawn-dynamic": ["dynamic-glibc", "spawn"],
    "vfork": ["static-musl", "vfork"],
    "threads": ["static-musl", "threads"],
    "threads-and-forks": ["dynamic-glibc", "threads-and-forks"],
    "memory": ["static-musl", "memory"],
    "files": ["dynamic-glibc", "files"],
    "signals": ["static-musl", "signals"],
    "sockets": ["static-musl", "sockets"],
    "shell": ["/bin/sh", "-c", "echo a | cat; (exit 3); echo $? $(echo b)"],
    "root": ["--sysroot", str(REPOSITORY / "build/roots/busybox"), "--bind", "FAULTS:/faults", "/bin/sh", "-c",
             "echo a > /dev/shm/a; (cat /dev/shm/a); /bin/busybox true; echo $?"],
}
SHORT = ["exec", "spawn"]
#: What fails when the guest runs already: the session's directory in /dev/shm is then the next session's to remove.
LATE = {"heap", "KVM_RUN"}
#: In the guest's /proc and /dev what cannot be looked at is not there: the guest is told so, and not why.
KNOWN = {("newfstatat", ("ENOENT",)), ("newfstatat", ("ESRCH",)), ("fstat", ("ENOTDIR",)), ("readlinkat", ("ENOTDIR",))}
#: Of a run with few faults: so many of them, spread evenly.
SHORT_COUNT = 60


def call_numbers():
    """{name: number} of this machine's system calls."""
    text = subprocess.run(["cc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^#define __NR_(\w+) (\d+)$", text, re.MULTILINE)
    return {name: int(number) for name, number in names} | OWN_KINDS


@dataclasses.dataclass(frozen=True)
class Fault:
    call: str
    occurrence: int
    error: str

    def __str__(self):
        return f"{self.call}:{self.occurrence}:{self.error}"


class Bench:
    """A vmrun of its own beside the file that it looks into, and a directory for what the program writes."""

    def __init__(self, vmrun, options):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="faults-"))
        self.vmrun = self.folder / "vmrun"
        shutil.copy(vmrun, self.vmrun)
        self.file = self.folder / "vmrun.faults"
        self.options = options
        self.files = self.folder / "files"

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, program, fault, numbers):
        """(status, output, complaints of vmrun's, other complaints, hit, what was wrong around it)."""
        if fault:
            header = HEADER.pack(numbers[fault.call], fault.occurrence, getattr(errno, fault.error), 0, 0)
        else:
            header = HEADER.pack(-1, 0, 0, 0, 0)
        self.file.write_bytes(header + bytes(4 * KINDS))
        shutil.rmtree(self.files, ignore_errors=True)
        self.files.mkdir()
        command = [str(self.vmrun), *self.options, *(word.replace("FAULTS", str(self.folder)) for word in program)]
        wrong = []
        shared = Machine.shared_memory()
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd="/", start_new_session=True,
                                       env={"PATH": "/usr/bin:/bin", "TMPDIR": str(self.files), "LC_ALL": "C"})
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                wrong.append("hangs: " + self.places())
                process.kill()
                process.wait()
            left = self.leftovers()
            if left and not wrong:
                wrong.append(f"left behind: {left}")
            kill_all(SECONDS)
            output.seek(0)
            abandoned = [name for name in Machine.shared_memory() - shared if is_abandoned(name)]
            if abandoned and fault and fault.call in LATE:
                for name in abandoned:
                    shutil.rmtree(f"/dev/shm/{name}", ignore_errors=True)
            elif abandoned and output.read() == b"":
                # Another worker's may have been among them.
                signal.sigtimedwait([signal.SIGCHLD], 1)
                wrong += [f"left in /dev/shm: {name}" for name in abandoned if is_abandoned(name)]
            output.seek(0)
            errors.seek(0)
            lines = errors.read().decode(errors="replace").splitlines()
            text = output.read().decode(errors="replace")
        content = self.file.read_bytes()
        _, _, _, hit, place = HEADER.unpack_from(content)
        counts = struct.unpack_from(f"={KINDS}I", content, HEADER.size)
        own = [line for line in lines if line.startswith("vmrun: ") or "Fatal error" in line]
        return process.returncode, text, own, [line for line in lines if line not in own], (hit, place), counts, wrong

    @staticmethod
    def leftovers():
        """What is there a while after the program's end. Orphans may need that long: those of faulty_host end after three seconds."""
        for _ in range(300):
            kill_zombies()
            left = Machine.processes()
            if not left:
                return {}
            signal.sigtimedwait([signal.SIGCHLD], 0.02)
        return left

    @staticmethod
    def places():
        """Where the threads of what hangs wait."""
        found = []
        for pid in Machine.processes():
            for thread in pathlib.Path(f"/proc/{pid}/task").glob("*"):
                try:
                    found.append(f"{pid}/{thread.name} {(thread / 'wchan').read_text()} {(thread / 'syscall').read_text().split()[:2]}")
                except OSError:
                    continue
        return "; ".join(found)


def is_abandoned(name):
    """Whether no session has the directory locked."""
    try:
        directory = os.open(f"/dev/shm/{name}", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        # Whoever has made it locks it at once.
        signal.sigtimedwait([signal.SIGCHLD], 0.1)
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(directory)


def kill_zombies():
    try:
        while os.waitpid(-1, os.WNOHANG)[0] > 0:
            pass
    except ChildProcessError:
        pass


def judge(fault, clean, result):
    """(what came of it, what is wrong with it)."""
    status, text, own, others, _, _, wrong = result
    said = "; ".join(own + others + text.splitlines()[-3:])[:300]
    if wrong:
        return "wrong", f"{wrong[0]} ({said})"
    if any("internal error" in line or "Fatal error" in line for line in own):
        return "wrong", f"internal error ({said})"
    if len(own) > 1:
        return "wrong", f"more than one sentence ({said})"
    if status == 125:
        return ("a sentence", "") if own else ("wrong", f"125 without a sentence ({said})")
    if status in (126, 127) and own:
        return "a sentence", ""
    if status == -signal.SIGSEGV:
        return "SIGSEGV", ""
    if status < 0:
        return "wrong", f"died by signal {-status} ({said})"
    if status == clean[0] and text == clean[1]:
        return ("nothing" if not own else "a sentence"), ""
    # An error that the guest was told of, or a child of its that vmrun gave up.
    if status == clean[0] == 0:
        # A shell goes on when one of its commands does not.
        return ("a child's end", "") if own or others else ("wrong", f"status 0 with another output ({said})")
    got = [int(number) for number in re.findall(r": (\d+)$", text, re.MULTILINE)]
    unlikely = [errno.errorcode.get(number, number) for number in got
                if number not in (getattr(errno, fault.error), errno.EAGAIN, errno.ENOMEM)]
    if unlikely and not own and (fault.call, tuple(unlikely)) not in KNOWN:
        return "wrong", f"another errno: {unlikely} ({said})"
    if "wrong" in text:
        return "wrong", said
    if not own and not text and not others:
        return "wrong", f"status {status} and not a word"
    return "an errno" if got else "a child's end", ""


def plan(clean, counted, numbers, base):
    """Faults for the calls of a clean run, but for those that every program's start makes."""
    faults = []
    for call, errors in POSSIBLE.items():
        if call not in numbers:
            continue
        count = counted[numbers[call]]
        first = max(base[numbers[call]] - 1, 1) if base else 1
        for occurrence in range(first, count + 1, max((count - first) // SAMPLED.get(call, count + 1), 1)):
            faults += [Fault(call, occurrence, error) for error in errors.split()]
    return faults


#: Of this worker.
bench = None


def prepare(vmrun, options):
    global bench
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    bench = Bench(vmrun, options)
    atexit.register(bench.remove)


def run(program, fault, numbers):
    return bench.run(program, fault, numbers)


def work(program, fault, clean, numbers):
    result = run(program, fault, numbers)
    return fault, judge(fault, clean, result), result


def command_of(words):
    if words[0].startswith(("/", "-")):
        return words
    return [str(PROGRAM / words[0] / "process/faulty_host"), *words[1:]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vmrun", type=pathlib.Path, default=REPOSITORY / "build/vmrun-faults")
    parser.add_argument("-k", dest="names", action="append", choices=PROGRAMS, help="only this program (repeatable)")
    parser.add_argument("-j", dest="jobs", type=int, default=2)
    parser.add_argument("-v", dest="verbose", action="store_true", help="what came of every fault")
    parser.add_argument("--only", help="CALL:OCCURRENCE:ERRNO, or CALL")
    parser.add_argument("--short", action="store_true", help="a few programs, and some of the faults")
    parser.add_argument("options", nargs="*", help="further options of vmrun, after --")
    options = parser.parse_args()
    numbers = call_numbers()
    names = {number: name for name, number in numbers.items()}
    total, failures, base = collections.Counter(), 0, None
    with concurrent.futures.ProcessPoolExecutor(
            options.jobs, multiprocessing.get_context("spawn"), prepare, (options.vmrun, options.options)) as pool:
        for name in options.names or (SHORT if options.short else PROGRAMS):
            program = command_of(PROGRAMS[name])
            clean = pool.submit(run, program, None, numbers).result()
            if clean[0] != 0 or clean[2] or clean[6]:
                print(f"{name}: the clean run ends with {clean[0]}: {clean[1:4]} {clean[6]}")
                failures += 1
                continue
            unknown = {names.get(number, number): count for number, count in enumerate(clean[5]) if count and names.get(number) not in POSSIBLE}
            faults = plan(clean, clean[5], numbers, base)
            if options.only and ":" in options.only:
                call, occurrence, error = options.only.split(":")
                faults = [Fault(call, int(occurrence), error)]
            elif options.only:
                faults = [fault for fault in faults if fault.call == options.only]
            if options.short:
                faults = faults[::max(len(faults) // SHORT_COUNT, 1)]
            found = collections.Counter()
            for fault, (outcome, what), result in pool.map(work, *zip(*[(program, fault, clean, numbers) for fault in faults]), chunksize=4) if faults else []:
                found[outcome if result[4][0] else "not met"] += 1
                if outcome == "wrong":
                    failures += 1
                    print(f"{name} {fault}, called at {result[4][1]:#x}: {what}", flush=True)
                elif options.verbose:
                    print(f"{name} {fault}, called at {result[4][1]:#x}: {outcome} {result[0]} {result[1:4]}", flush=True)
            total += found
            if name == "nothing" and not options.names:
                base = clean[5]
            print(f"{name}: {sum(found.values())} faults: " + ", ".join(f"{count} {what}" for what, count in found.most_common()), flush=True)
            if options.verbose:
                print(f"  cannot fail: {unknown}")
    print(f"{sum(total.values())} faults, {failures} failures")
    return 1 if failures or not total else 0


if __name__ == "__main__":
    sys.exit(main())
