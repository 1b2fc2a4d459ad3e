"""/proc and /dev as a whole: every name is what it is natively, and nothing of vmrun shows."""

import json
import re

from harness.registry import case, check

#: In /proc/PID natively, and not here, for the reason that docs/internals.md gives. Others are newer than this list.
ABSENT = {"stack", "syscall"}
#: Tells of every name below a process's directory what stat, open and access say.
SURVEY = r"""
import errno, json, os, stat, sys, threading
found = {}
def look(path, name, depth):
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    entry = {"mode": oct(status.st_mode), "owner": [status.st_uid, status.st_gid], "size": status.st_size,
             "device": status.st_rdev}
    found[name] = entry
    if stat.S_ISLNK(status.st_mode):
        return
    if stat.S_ISCHR(status.st_mode):
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        entry["open"] = errno.errorcode[error.errno]
        return
    entry["open"] = "possible"
    if stat.S_ISDIR(status.st_mode):
        if depth:
            for child in os.listdir(descriptor):
                look(path + "/" + child, name + "/" + child, depth - 1)
    else:
        try:
            entry["empty"] = not os.read(descriptor, 4096)
        except OSError as error:
            entry["read"] = errno.errorcode[error.errno]
    os.close(descriptor)
here = "/proc/self/task/%d" % threading.get_native_id()
for place, name, depth in (("/proc/self", "process", 1), (here, "thread", 1), ("/proc/self/ns", "ns", 1), ("/dev", "dev", 1)):
    look(place + "/.", name, depth)
print(json.dumps(found))
"""
#: Which of the contents are a matter of the moment.
CHANGING = re.compile(r"/(wchan|fd|fdinfo|task|map_files|net|children|timers|mem|pagemap|io|autogroup|cwd|pts|shm)(/|$)")


@case(needs_vmrun=False)
def names(context):
    """Each name of a process's directory, a thread's and /dev: type, mode, owner, size, and whether it opens and reads."""
    command = ["/usr/bin/python3", "-c", SURVEY]
    native = context.run(command, timeout=60)
    check(native.status == 0, f"native: {native.describe()}", native.transcript())
    if context.native_only:
        return
    guest = context.guest(command, timeout=60)
    check(guest.status == 0, f"vmrun: {guest.describe()}", guest.transcript())
    natively, under = (json.loads(run.stdout) for run in (native, guest))
    different = []
    for name, entry in sorted(natively.items()):
        if name.startswith("dev/") or CHANGING.search(name):
            continue
        if name not in under:
            if name.split("/")[1] not in ABSENT:
                different.append(f"{name} is missing")
        elif entry != under[name]:
            different.append(f"{name}: natively {entry}, here {under[name]}")
    for name, entry in sorted(under.items()):
        if CHANGING.search(name):
            continue
        if name not in natively:
            different.append(f"{name} is not there natively")
        elif name.startswith("dev/") and (entry["mode"], entry["device"]) != (natively[name]["mode"], natively[name]["device"]):
            different.append(f"{name}: natively {natively[name]}, here {entry}")
    check(not different, f"{len(different)} names differ", "\n".join(different[:60]))
    for name in "null zero full random urandom tty ptmx pts shm fd stdin stdout stderr".split():
        check(f"dev/{name}" in under, f"/dev/{name} is missing")


#: Reads addresses from its standard input and tries them all.
PROBE = r"""
import ctypes, errno, os, sys
print(os.getpid(), flush=True)
addresses = [int(word, 16) for word in sys.stdin.readline().split()]
memory = os.open("/proc/self/mem", os.O_RDWR)
pages = os.open("/proc/self/pagemap", os.O_RDONLY)
reached = []
for address in addresses:
    for attempt in (lambda: os.pread(memory, 1, address), lambda: os.pwrite(memory, b"x", address),
                    lambda: os.preadv(memory, [bytearray(1)], address), lambda: os.pread(pages, 8, address // 4096 * 8).strip(b"\0")):
        try:
            if attempt():
                reached.append(hex(address))
        except OSError as error:
            if error.errno != errno.EIO:
                reached.append(f"{address:x}: {error}")
print(len(addresses), reached)
print(open("/proc/self/maps").read() + open("/proc/self/smaps").read() + open("/proc/self/numa_maps").read()
      + " ".join(os.listdir("/proc/self/map_files")))
"""


@case()
def memory_of_vmrun(context):
    """What vmrun has mapped for itself cannot be named, whichever file of /proc is asked."""
    import subprocess
    process = subprocess.Popen(context.under_vmrun(["/usr/bin/python3", "-c", PROBE]), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        pid = int(process.stdout.readline())
        own = []
        with open(f"/proc/{pid}/maps") as maps:
            for line in maps:
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                if start >= 0x6e00_0000_0000 and "[v" not in line:
                    own += [start, (start + end) // 2 & ~4095, end - 4096]
        process.stdin.write(" ".join(f"{address:x}" for address in own) + "\n")
        process.stdin.flush()
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    first, rest = output.split("\n", 1)
    check(first == f"{len(own)} []" and len(own) > 20, "vmrun's memory was reached", first)
    shown = {int(word, 16) for word in re.findall(r"^([0-9a-f]+)-[0-9a-f]+ ", rest, re.M)}
    check(not shown & set(own), "vmrun's mappings are shown", rest[-3000:])
    check("kvm" not in rest and "vmrun" not in rest.replace(str(context.repository), ""), "vmrun's mappings are named", rest[-3000:])


#: The identity rule, with an implementation of its own: FNV-1a over the path, 64 bits.
IDENTITY = r"""
import os
def fnv(path):
    value = 0xcbf29ce484222325
    for byte in os.fsencode(path):
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return value
for text, answer in (("", 0xcbf29ce484222325), ("a", 0xaf63dc4c8601ec8c), ("b", 0xaf63df4c8601f1a5),
                     ("foobar", 0x85944171f73967e8), ("hello", 0xa430d84680aabd0b)):
    assert fnv(text) == answer, text
open("/dev/shm/identity-one", "w").close()
os.mkdir("/dev/shm/identity-two")
open("/dev/shm/identity-two/three", "w").close()
own = "/proc/%d" % os.getpid()
devices, wrong, seen, count = set(), [], {}, 0
for top in (own, "/proc/sys/kernel", "/proc/sys/net/core", "/dev", "/proc/self/net/../ns".replace("/self/net/..", "/%d" % os.getpid())):
    for directory, directories, files in os.walk(top):
        for name in directories + files + ["."]:
            path = directory if name == "." else directory + "/" + name
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                continue
            count += 1
            devices.add(status.st_dev)
            if status.st_ino != fnv(path) or status.st_blksize != 4096:
                wrong.append((path, status.st_ino, fnv(path), status.st_blksize))
            if seen.setdefault(status.st_ino, path) != path:
                wrong.append((path, seen[status.st_ino]))
for path in ("/proc/self/status", "/dev/shm/identity-one", "/proc/version"):
    descriptor = os.open(path, os.O_RDONLY)
    real = path.replace("/proc/self", own)
    if os.fstat(descriptor).st_ino != fnv(real):
        wrong.append((path, "by descriptor"))
with os.scandir("/dev/shm") as entries:
    for entry in entries:
        if entry.stat(follow_symlinks=False).st_ino != fnv(entry.path):
            wrong.append((entry.path, "listed"))
os.unlink("/dev/shm/identity-two/three")
os.rmdir("/dev/shm/identity-two")
os.unlink("/dev/shm/identity-one")
print(len(devices), count > 300, wrong[:20])
"""


@case()
def identity(context):
    """One device for all, the FNV-1a hash of the path for the inode, blocks of 4096."""
    result = context.guest(["/usr/bin/python3", "-c", IDENTITY], sysroot=context.debian, timeout=60)
    check(result.status == 0 and result.stdout.decode() == "1 True []\n", "an identity is not its path's",
          result.transcript())


#: What runtimes, allocators and monitors read of the machine, which a root without /sys would not have.
MACHINE = """
cd /sys/devices/system/cpu && cat online possible present kernel_max && ls -d cpu[0-9]* && cat cpu0/topology/core_id &&
cat cpu0/cache/index0/size cpu0/cache/index0/shared_cpu_list && cat /sys/devices/system/node/online &&
ls /sys/devices/system/node/node0/ | grep -c '^cpu' && cat /sys/kernel/mm/transparent_hugepage/enabled &&
cat /sys/kernel/mm/transparent_hugepage/hpage_pmd_size && stat -f -c %T /sys/devices && ls /sys/kernel/mm/hugepages &&
ls -ld /sys/devices/system/cpu/online | cut -c1-10; cat /sys/kernel/nothing 2>&1; echo x 2>/dev/null >/sys/devices/system/cpu/online
echo $?
"""


@case()
def machine_in_a_root(context):
    natively = context.run(["/bin/sh", "-c", MACHINE], timeout=30)
    guest = context.guest(["/bin/sh", "-c", MACHINE], sysroot=context.debian, timeout=30)
    native_lines, lines = natively.stdout.decode(), guest.stdout.decode()
    # Of what the host has, and in the same order; root may write natively where a guest may not.
    check(native_lines.rsplit("\n", 2)[0] == lines.rsplit("\n", 2)[0], "/sys is not as the host's", guest.transcript())
    check(lines.splitlines()[-1] != "0", "a guest writes to /sys", guest.transcript())
    check(sorted(context.guest(["/bin/ls", "/sys"], sysroot=context.debian).stdout.decode().split()) == ["devices", "kernel"],
          "more of /sys shows than was thought about")
