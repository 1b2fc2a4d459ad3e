"""What a session may make, whom it reaches, and what it leaves behind."""

import contextlib
import os
import signal
import socket
import subprocess
import tty

from harness import process
from harness.context import ENVIRONMENT, scratch
from harness.registry import case, check


@case()
def process_limit(context):
    """LB-10: --max-processes is exact, also for fork bombs."""
    for variant in ["static-musl", "dynamic-glibc"]:
        result = context.guest([context.fixture("process/limit", variant)], "--max-processes", "16", timeout=60)
        check(result.status == 0, result.describe(), result.transcript())


@case()
def shell_fork_bomb(context):
    """A shell's bomb meets the limit, and one kill ends it."""
    script = "bomb() { bomb | bomb & }; bomb; sleep 1; kill -9 -1; echo survived"
    result = context.guest(["/bin/sh", "-c", script], "--max-processes", "30", sysroot=context.busybox, timeout=60)
    check(b"can't fork" in result.stderr, "no fork was refused", result.transcript())
    check(b"survived" in result.stdout, "the shell did not survive", result.transcript())


@case()
def one_process_only(context):
    result = context.guest(["/bin/sh", "-c", "exec sh -c 'exec /bin/echo alone'"], "--max-processes", "1",
                           sysroot=context.busybox)
    check(result.stdout == b"alone\n", result.describe(), result.transcript())
    result = context.guest(["/bin/sh", "-c", "/bin/ls; echo not reached"], "--max-processes", "1",
                           sysroot=context.busybox)
    check(result.status != 0 and b"can't fork" in result.stderr, result.describe(), result.transcript())


@case()
def outsiders_are_out_of_reach(context):
    """A process of the host in vmrun's own process group: nothing reaches it."""
    with scratch() as folder:
        outsider = folder / "outsider"
        command = context.under_vmrun([context.fixture("process/reach"), "$OUTSIDER"])
        script = f"sleep 60 & echo $! > {outsider}; OUTSIDER=$!; {' '.join(command)}; echo status $?"
        output = folder / "output"
        with open(output, "wb") as file:
            shell = subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                     env=ENVIRONMENT, start_new_session=True)
        pid = 0
        try:
            process.wait_until(shell.pid, 30)
            pid = int(outsider.read_text())
            text = output.read_text(errors="replace")
            check("status 0" in text, "not everything was refused", text)
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            check(fields[0] == "S", f"the outsider is in state {fields[0]}", text)
            check(fields[16] == "0", f"the outsider has nice value {fields[16]}", text)
            check(os.sched_getaffinity(pid) == os.sched_getaffinity(0), "the outsider's processors changed", text)
        finally:
            try:
                os.killpg(shell.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            shell.wait()
            process.reap_leftovers(0)


def resident(pid):
    """KiB of the host's memory that a process has."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


@case()
def memory_of_spawned_programs_comes_back(context):
    """LB-2: the parent's memory stays the same over 1000 programs."""
    memory_stays(context, "fork", 1024)


@case()
def memory_of_programs_spawned_by_vfork_comes_back(context):
    """The child lives in its parent's heap until it executes, and leaves its objects, two KiB, there."""
    memory_stays(context, "vfork", 2048)


def memory_stays(context, how, most):
    command = context.under_vmrun([context.fixture("process/spawns")])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, cwd="/") as guest:
        sizes = []
        try:
            for _ in range(4):
                guest.stdin.write(f"{how} 250\n".encode())
                guest.stdin.flush()
                check(guest.stdout.readline() == b"done\n", "the fixture failed")
                sizes.append(resident(guest.pid))
            guest.stdin.close()
            check(guest.wait(30) == 0, f"ended with {guest.returncode}")
        finally:
            guest.kill()
    check(sizes[3] - sizes[0] < most, f"the parent grew: {sizes} KiB")


@case()
def nothing_stays(context):
    """The small form of `make soak`."""
    command = ["/usr/bin/python3", str(context.repository / "Tests/Tools/soak.py"), "--rounds", "30", "--seconds", "0", "--others",
               "--vmrun", str(context.vmrun), "--root", str(context.busybox)]
    result = context.run(command, timeout=240)
    check(result.status == 0, "something was left behind", result.transcript())
    check(not result.leaked, "processes were left behind: " + "; ".join(result.leaked), result.transcript())


@case()
def shared_memory_of_a_killed_session(context):
    """Its directory goes with the next session; one that is in use stays."""
    directories = set(os.listdir("/dev/shm"))
    command = context.under_vmrun(["/bin/sh", "-c", "echo x > /dev/shm/file; echo ready; read line; cat /dev/shm/file"],
                                  sysroot=context.busybox)

    def start():
        guest = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, cwd="/")
        check(guest.stdout.readline() == b"ready\n", "the guest did not start")
        mine = next(name for name in set(os.listdir("/dev/shm")) - directories
                    if os.path.exists(f"/dev/shm/{name}/file"))
        directories.add(mine)
        return guest, f"/dev/shm/{mine}"

    killed, abandoned = start()
    used, kept = start()
    try:
        killed.kill()
        killed.communicate()
        subprocess.run(context.under_vmrun(["/bin/true"], sysroot=context.busybox), env=ENVIRONMENT, cwd="/", timeout=30,
                       check=True)
        check(not os.path.exists(abandoned), "the killed session's directory stayed")
        check(os.path.exists(kept), "a living session's directory is gone")
        output, _ = used.communicate(b"\n", timeout=20)
        check(output == b"x\n" and used.returncode == 0, f"the living session: {output}, {used.returncode}")
        check(not os.path.exists(kept), "its directory stayed after an orderly end")
    finally:
        killed.kill()
        used.kill()
        killed.wait()
        used.wait()


@case()
def shared_memory_lives_as_long_as_a_member(context):
    """A daemon keeps it when the session's first process ends, and takes it along."""
    script = "(sleep 1; cat /dev/shm/file) & echo x > /dev/shm/file"
    before = {name for name in os.listdir("/dev/shm") if name.startswith("vmrun-")}
    command = context.under_vmrun(["/bin/sh", "-c", script], sysroot=context.busybox)
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=ENVIRONMENT, cwd="/",
                            timeout=30, check=False)
    # The pipe ends with the daemon.
    check(result.stdout == b"x\n", f"the daemon read {result.stdout}")
    process.reap_leftovers()
    after = {name for name in os.listdir("/dev/shm") if name.startswith("vmrun-")}
    for name in after - before:
        check(not os.path.exists(f"/dev/shm/{name}/file"), "the directory stayed")


@case()
def thread_limit(context):
    """--max-threads counts the threads of all processes, and those of the dead no longer."""
    script = """
import os, threading, sys, signal, time
event = threading.Event()
def threads(most):
    made = []
    try:
        while len(made) < most:
            thread = threading.Thread(target=event.wait)
            thread.start()
            made.append(thread)
    except RuntimeError:
        pass
    return made
held = threads(100)
print("first process", 1 + len(held))
try:
    os.fork()
    print("forked")
except BlockingIOError:
    print("no fork")
event.set()
for thread in held: thread.join()
event.clear()
read, write = os.pipe()
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        threads(3)
        os.write(write, b"x")
        signal.pause()
    children.append(child)
os.read(read, 1); os.read(read, 1)
held = threads(100)
print("beside two of four", 1 + len(held))
event.set()
for thread in held: thread.join()
event.clear()
# Killed and not reaped yet.
for child in children: os.kill(child, signal.SIGKILL)
for child in children: os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
held = threads(100)
print("beside the dead", 1 + len(held))
event.set()
for thread in held: thread.join()
for child in children: os.waitpid(child, 0)
"""
    result = context.guest(["/usr/bin/python3", "-c", script], "--max-threads", "12", timeout=60)
    check(result.stdout == b"first process 12\nno fork\nbeside two of four 4\nbeside the dead 12\n", result.describe(),
          result.transcript())


@case()
def threads_of_executed_programs(context):
    """An exec leaves one thread, in place or not."""
    script = "i=0; while [ $i -lt 80 ]; do /bin/true || exit 1; i=$((i + 1)); done; echo all"
    result = context.guest(["/bin/sh", "-c", script], "--max-threads", "2", timeout=60)
    check(result.stdout == b"all\n", result.describe(), result.transcript())
    chain = 'if [ "$1" -gt 0 ]; then exec /bin/sh -c "$2" sh $(($1 - 1)) "$2"; fi; /bin/true && echo end'
    result = context.guest(["/bin/sh", "-c", chain, "sh", "70", chain], "--max-threads", "2", timeout=60)
    check(result.stdout == b"end\n", result.describe(), result.transcript())


@case()
def open_files_limit(context):
    """--max-open-files: nobody gets more, root neither."""
    script = """
import os, resource, subprocess, sys
def count():
    made = []
    try:
        while True: made.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        top = made[-1] + 1
        for descriptor in made: os.close(descriptor)
        return top, error.errno == 24
print(resource.getrlimit(resource.RLIMIT_NOFILE), count())
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    print("raised")
except ValueError:
    print("refused")
if len(sys.argv) < 2: subprocess.run([sys.executable, "-c", open("/proc/self/cmdline").read().split("\\0")[2], "again"])
"""
    result = context.guest(["/usr/bin/python3", "-c", script], "--max-open-files", "50")
    check(result.stdout == b"(50, 50) (50, True)\nrefused\n" * 2, result.describe(), result.transcript())


@case()
def memory_limit(context):
    """--memory: who has most dies, the others go on; what two have in common counts once; what is reserved does not count."""
    program = """
import mmap, os, signal, sys, time
def fill(size):
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for place in range(0, size, 4096): memory[place] = 1
    return memory
def ended(child):
    status = os.waitpid(child, 0)[1]
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
def child(body):
    pid = os.fork()
    if pid == 0:
        body()
        os._exit(0)
    return pid
reserved = mmap.mmap(-1, 1 << 34, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
held = fill(100 << 20)
# 300 MiB by their addresses, 100 in common.
children = [child(lambda: time.sleep(1)) for _ in range(2)]
print("in common", [ended(pid) for pid in children], flush=True)
print("one that takes all", ended(child(lambda: (fill(1 << 30), time.sleep(30)))), flush=True)
def share():
    memory = mmap.mmap(-1, 1 << 30)
    for place in range(0, 1 << 30, 4096): memory[place] = 1
    time.sleep(30)
print("shared memory", ended(child(share)), flush=True)
def give():
    for _ in range(20): fill(60 << 20).close()
print("given back", ended(child(give)), flush=True)
print("what the dead had", ended(child(lambda: fill(60 << 20))), flush=True)
"""
    result = context.guest(["/usr/bin/python3", "-c", program], "--memory", "200M", timeout=120)
    check(result.stdout == b"in common [0, 0]\none that takes all SIGKILL\nshared memory SIGKILL\ngiven back 0\nwhat the dead had 0\n",
          result.describe(), result.transcript())
    check(result.stderr.count(b"memory: the session has more than 209715200 bytes") == 2, "it does not say so twice", result.transcript())


@case()
def memory_of_many(context):
    """No process has much, all have too much: one after the other dies until it is enough."""
    program = """
import mmap, os, time
children = []
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        memory = mmap.mmap(-1, 40 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for place in range(0, 40 << 20, 4096): memory[place] = 1
        time.sleep(5)
        os._exit(0)
    children.append(pid)
ends = [os.waitpid(pid, 0)[1] for pid in children]
print(all(end in (0, 9) for end in ends), 3 <= ends.count(9) <= 7)
"""
    result = context.guest(["/usr/bin/python3", "-c", program], "--memory", "200M", timeout=120)
    check(result.stdout == b"True True\n", result.describe(), result.transcript())


@case()
def processor_time(context):
    """--cpu-time: of all processes together; waiting costs nothing."""
    spin = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\n"
    for command in [["/usr/bin/python3", "-c", spin.format(60)],
                    ["/bin/sh", "-c", "for i in 1 2 3; do (while :; do :; done) & done; wait"],
                    ["/bin/sh", "-c", f"while :; do /usr/bin/python3 -c '{spin.format(0.2)}'; done"]]:
        result = context.guest(command, "--cpu-time", "2", timeout=60)
        check(result.status == 124, result.describe(), result.transcript())
        check(result.stderr.count(b"used more than 2 s of processor time") == 1, "it does not say why, once", result.transcript())
    result = context.guest(["/bin/sh", "-c", "sleep 3; echo slept"], "--cpu-time", "2")
    check(result.stdout == b"slept\n", result.describe(), result.transcript())

#: What writes by one call each: PYTHON defines write(data), which answers how much was written.
WRITERS = {
    "write": "def write(data): return os.write(out, data)",
    "pwrite": "at = 0\ndef write(data):\n    global at\n    at += (done := os.pwrite(out, data, at))\n    return done",
    "writev": "def write(data): return os.writev(out, [data[:10], b'', data[10:]])",
    "pwritev": "at = 0\ndef write(data):\n    global at\n    at += (done := os.pwritev(out, [data[:1], data[1:]], at))\n    return done",
    "pwritev2": "at = 0\ndef write(data):\n    global at\n    at += (done := os.pwritev(out, [data[:1], data[1:]], at, os.RWF_DSYNC))\n    return done",
    "sendfile": "def write(data): return os.sendfile(out, source(data), 0, 1 << 30)",
    "copy_file_range": "def write(data): return os.copy_file_range(source(data), out, 1 << 30, 0)",
    "splice": "def write(data): return os.splice(pipe(data), out, 1 << 30)",
}
#: Of files alone, of sockets alone, of pipes alone.
OF_FILES = [name for name in WRITERS if name != "write"]
OF_SOCKETS = {
    "send": "def write(data): return there.send(data)",
    "sendmsg": "def write(data): return there.sendmsg([data[:7], data[7:]])",
    "sendmmsg": """
class vector(ctypes.Structure): _fields_ = [("base", ctypes.c_char_p), ("size", ctypes.c_size_t)]
class header(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_int), ("iov", ctypes.POINTER(vector)), ("count", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int), ("sent", ctypes.c_uint)]
def write(data):
    parts = (vector * 2)(vector(data, len(data) // 2), vector(data, len(data) - len(data) // 2))
    messages = (header * 2)(*(header(iov=ctypes.pointer(part), count=1) for part in parts))
    done = ctypes.CDLL(None).sendmmsg(out, messages, 2, 0)
    return sum(message.sent for message in messages[:done])
""",
    "sendfile": WRITERS["sendfile"], "splice": WRITERS["splice"], "write": WRITERS["write"], "writev": WRITERS["writev"],
}
OF_PIPES = {
    "write": WRITERS["write"], "splice": WRITERS["splice"], "sendfile": WRITERS["sendfile"],
    "tee": "def write(data): return ctypes.CDLL(None, use_errno=True).tee(pipe(data), out, ctypes.c_size_t(1 << 30), 0)",
    "vmsplice": """
class vector(ctypes.Structure): _fields_ = [("base", ctypes.c_char_p), ("size", ctypes.c_size_t)]
def write(data): return ctypes.CDLL(None).vmsplice(out, (vector * 2)(vector(data, 9), vector(data, len(data) - 9)), ctypes.c_ulong(2), 0)
""",
}
WRITING = """
import ctypes, os, socket, sys
out, source_path = int(sys.argv[1]), sys.argv[2]
if out < 0: out = os.open(sys.argv[3], os.O_RDWR | os.O_CREAT, 0o600)
there = socket.socket(fileno=os.dup(out)) if sys.argv[3] == "socket" else None
def source(data):
    return os.open(source_path, os.O_RDONLY)
def pipe(data):
    read, write_end = os.pipe()
    os.write(write_end, data)
    os.close(write_end)
    return read
WRITER
total = 0
while total < 100000: total += write(b"x" * 300)
"""


def written_by(context, writer, out, place, *options, limit=1000, **arguments):
    """Lets a program write for ever by one kind of call; how that ended."""
    with scratch() as folder:
        source = folder / "source"
        source.write_bytes(b"y" * 100000)
        result = context.guest(["/usr/bin/python3", "-BIS", "-c", WRITING.replace("WRITER", writer), str(out), str(source), str(place)],
                               "--max-output", str(limit), *options, **arguments)
    check(result.status == 124, result.describe(), writer + result.transcript())
    check(result.stderr.count(b"max-output: the session has written the ") == 1, "it does not say why, once", result.transcript())


@case()
def output_to_files(context):
    """--max-output, by every call that writes files: exactly so much comes out."""
    for name, writer in WRITERS.items():
        for options in [[], ["--fakeroot", "--stats", "--no-fast-syscalls"]] if name == "write" else [[]]:
            with scratch() as folder:
                written_by(context, writer, -1, folder / "out", *options)
                size = (folder / "out").stat().st_size
                check(size == 1000, f"{name}: {size} bytes were written")


@case()
def output_to_what_was_given(context):
    """Sockets, pipes and terminals that vmrun was started with count."""
    for type, writers, expected in [(socket.SOCK_STREAM, OF_SOCKETS, 1000), (socket.SOCK_DGRAM, {"send": OF_SOCKETS["send"]}, 900)]:
        for name, writer in writers.items():
            here, there = socket.socketpair(socket.AF_UNIX, type)
            with here, there:
                written_by(context, writer, there.fileno(), "socket", pass_fds=[there.fileno()])
                there.close()
                received = 0
                here.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while data := here.recv(10000):
                        received += len(data)
                check(received == expected, f"{name}: {received} bytes were sent")
    for name, writer in OF_PIPES.items():
        read, write = os.pipe()
        try:
            written_by(context, writer, write, "pipe", pass_fds=[write])
            os.close(write)
            write = -1
            received = len(os.read(read, 10000))
            check(received == 1000, f"{name}: {received} bytes were written to the pipe")
        finally:
            for end in (read, write):
                if end >= 0:
                    os.close(end)
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        written_by(context, WRITERS["write"], slave, "terminal", pass_fds=[slave])
        received = len(os.read(master, 10000))
        check(received == 1000, f"{received} bytes were written to the terminal")
    finally:
        os.close(master)
        os.close(slave)


@case()
def output_among_guests(context):
    """What stays in the session does not count."""
    program = """
import os, socket
read, write = os.pipe()
here, there = socket.socketpair()
null = os.open("/dev/null", os.O_WRONLY)
for _ in range(100):
    os.write(write, b"x" * 1000); os.read(read, 1000)
    there.sendmsg([b"x" * 1000]); here.recv(1000)
    os.writev(null, [b"x" * 1000])
    os.splice(read, null, os.write(write, b"x" * 1000))
print("done")
"""
    result = context.guest(["/usr/bin/python3", "-BIS", "-c", program], "--max-output", "5")
    check((result.status, result.stdout) == (0, b"done\n"), result.describe(), result.transcript())
    result = context.guest(["/usr/bin/python3", "-BIS", "-c", "print('done!')"], "--max-output", "5")
    check((result.status, result.stdout) == (124, b"done!"), result.describe(), result.transcript())


@case()
def output_of_many(context):
    """Children, threads and executed programs write as much as one may."""
    many = """
import os, sys, threading
out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
def write():
    while True: os.write(out, b"x" * 97)
for _ in range(3):
    if os.fork() == 0: threading.Thread(target=write).start(); write()
os.wait()
"""
    shell = 'while :; do /bin/echo line >> "$0"; (echo of another >> "$0"); /bin/sh -c "exec /bin/echo third" >> "$0"; done'
    for command in [["/usr/bin/python3", "-BIS", "-c", many], ["/bin/sh", "-c", shell]]:
        with scratch() as folder:
            result = context.guest([*command, str(folder / "out")], "--max-output", "2K", timeout=60)
            check(result.status == 124, result.describe(), result.transcript())
            check(result.stderr.count(b"max-output: ") == 1, "it does not say why, once", result.transcript())
            size = (folder / "out").stat().st_size
            check(size == 2048, f"{size} bytes were written")
