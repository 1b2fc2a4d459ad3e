"""From the table of system calls to calls with hostile pointers: the plan that the fixture hostile/pointers reads.

What a call gets where nothing is said here follows from the kinds of its arguments, so that a new row of the table is tried without anybody
thinking of it. `CALLS` has what it takes to get as far as the pointers. The words are explained in the fixture.
"""

import dataclasses
import re

#: Numbers of calls that have a row, and what docs/syscalls.md (which the tests hold against the table) says of them.
ROW = re.compile(r"\| (\d+) \| (\w+) \| (.*?) \| (\w+) \| (.*?) \|$")

SIZE_MAX, SSIZE_MAX, WRAPPING = "ffffffffffffffff", "7fffffffffffffff", "100000001"
USUAL = "40"
CURRENT_DIRECTORY = "ffffffffffffff9c"

#: Addresses by name. Those that begin with `own.` come from the vmrun that is attacked.
FIXED = {
    "null": 0,
    "low": 0xf000,
    "arena.last": 0x6e00_0000_0000 - 0x1000,
    "arena.end": 0x6e00_0000_0000,
    "arena.across": 0x6e00_0000_0000 - 4,
    "shim.tables": 0x6e80_0000_0000,
    "shim.code": 0x6e80_0000_3000,
    "shim.stubs": 0x6e80_0000_4000,
    "shim.first": 0x6e80_0001_0000,
    "shim.page": 0x6e80_0020_0000,
    "user.last": 0x7fff_ffff_f000,
    "noncanonical": 0x8000_0000_0000,
    "sign": 0x8000_0000_0000_0000,
    "kernel": 0xffff_8880_0000_0000,
    "vsyscall": 0xffff_ffff_ff60_0000,
    "minus.page": 0xffff_ffff_ffff_f000,
    "minus.one": 0xffff_ffff_ffff_ffff,
}
#: Of the fixture's own memory.
OWN_PAGES = ["page", "edge", "hole", "ro", "none"]
OWN_OF_VMRUN = ["own.text", "own.data", "own.stack", "own.mapping", "own.vcpu"]
ADDRESSES = [*OWN_OF_VMRUN, *FIXED, *OWN_PAGES]
#: One of each kind, where all would take too long: unusual lengths, and calls that take a process each.
FEW = ["own.text", "own.mapping", "shim.page", "null", "low", "arena.last", "kernel", "page", "ro"]

#: What a good argument of each kind is.
GOOD = {"value": "0", "fd": "fd.file", "dirfd": CURRENT_DIRECTORY, "new fd": "32", "fd count": "8", "path": "'/tmp/file'", "string": "'user.name'",
        "pid": "pid", "signal": "a", "address": "0", "in string[]": "['word',0]", "inout int": "[10]", "in {sigset, size}": "[0,8]",
        "in clone_args": "good"}
NO_POINTERS = {"", "value", "fd", "dirfd", "new fd", "fd count", "pid", "signal"}
#: Structures with a hostile pointer inside, instead of the X.
INSIDE = {
    "iovec": ["[X,L]", "[good,4,X,L]"],
    "inout msghdr": ["[X,10,[good,40],1]", "[0,0,X,1]", "[0,0,[X,L],1]", "[0,0,[good,40],1,X,L]"],
    "in msghdr": ["[X,10,[good,40],1]", "[0,0,X,1]", "[0,0,[X,L],1]", "[0,0,[good,40],1,X,L]"],
    "inout mmsghdr": ["[X,10,[good,40],1]", "[0,0,X,1]", "[0,0,[X,L],1]", "[0,0,[good,40],1,X,L]"],
    "in string[]": ["[X,0]", "['a',X]"],
    "in {sigset, size}": ["[X,8]"],
    "in futex_waitv": ["[0,X,2]"],
    "inout clone_args": ["[1000,X,0,0,11]", "[1000000,0,X,0,11]", "[200000,0,X,0,11]", "[100000,0,0,X,11]", "[0,0,0,0,11,X,1000]", "[80000,0,0,0,11,0,0,X]"],
}


@dataclasses.dataclass
class Row:
    number: int
    name: str
    kinds: list
    level: str
    note: str


@dataclasses.dataclass
class Variant:
    """One way to make a call: words for some arguments, and how it is made."""
    words: dict = dataclasses.field(default_factory=dict)
    mode: str = "."
    title: str = ""
    #: Structures with a pointer inside for single arguments, beyond those of their kind.
    inside: dict = dataclasses.field(default_factory=dict)
    #: The arguments that are pointers, where that depends on the others.
    pointers: str = "012345"


def V(title="", mode=".", inside=None, pointers="012345", **words):
    return Variant({int(name[1:]): word for name, word in words.items()}, mode, title, inside or {}, pointers)


#: Made in a process of its own each, or per call, because of what it does to its process: memory, signals, rights, files, children.
MEMORY, RIGHTS, EACH, MAKES = "gm", "g", "l", "lf"

CALLS = {
    "read": [V(a0="fd.zero")], "pread64": [V(a0="fd.zero")], "readv": [V(a0="fd.zero", a2="1")],
    "preadv": [V(a0="fd.zero", a2="1")], "preadv2": [V(a0="fd.zero", a2="1")],
    "writev": [V(a2="1")], "pwritev": [V(a2="1")], "pwritev2": [V(a2="1")],
    "mmap": [V("hint", MEMORY, a1="1000", a2="3", a3="22", a4=SIZE_MAX), V("fixed", MEMORY, a1="1000", a2="3", a3="32", a4=SIZE_MAX),
             V("free", MEMORY, a1="1000", a2="3", a3="100022", a4=SIZE_MAX), V("huge", MEMORY, a1="7ffffffff000", a2="3", a3="4022", a4=SIZE_MAX)],
    "mprotect": [V(mode=MEMORY, a1="1000", a2="3")], "munmap": [V(mode=MEMORY, a1="1000")],
    "pkey_mprotect": [V(mode=MEMORY, a1="1000", a2="3", a3=SIZE_MAX)],
    "brk": [V(mode=EACH)],
    "mremap": [V("grow", MEMORY, a1="1000", a2="2000", a3="1"), V("move", MEMORY, a1="1000", a2="1000", a3="3", a4="@hole")],
    "msync": [V(mode=MEMORY, a2="4")], "mincore": [V(mode=MEMORY, a1="1000", a2="good")],
    "madvise": [V("dontneed", MEMORY, a1="1000", a2="4"), V("willneed", MEMORY, a1="1000", a2="3"), V("populate", MEMORY, a1="1000", a2="16")],
    "mlock": [V(mode=MEMORY)], "munlock": [V(mode=MEMORY)], "mlock2": [V(mode=MEMORY)],
    "remap_file_pages": [V(mode=MEMORY, a1="1000")], "mbind": [V(mode=MEMORY, a1="1000", a2="2", a3="[1]", a4="40")],
    "set_mempolicy_home_node": [V(mode=MEMORY, a1="1000")],
    "shmat": [V(mode=MEMORY, a0="shm"), V("replace", MEMORY, a0="shm", a2="4000")], "shmdt": [V(mode=MEMORY)],
    "shmctl": [V("stat", a0="shm", a1="2"), V("info", a1="3"), V("set", a0="shm", a1="1")],
    "semctl": [V("stat", a0="sem", a2="2"), V("getall", a0="sem", a2="d"), V("setall", a0="sem", a2="11"), V("info", a2="3")],
    "msgctl": [V("stat", a0="msg", a1="2"), V("info", a1="3")],
    "semop": [V(a0="sem", a1="[80000000000]", a2="1")], "semtimedop": [V(a0="sem", a1="[80000000000]", a2="1")],
    "msgsnd": [V(a0="msg", a1="[1,0]", a2="8", a3="800")], "msgrcv": [V(a0="msg", a2=USUAL, a4="800")],
    "rt_sigaction": [V(mode=RIGHTS, a0="c", a3="8")], "rt_sigprocmask": [V(mode=RIGHTS, a3="8")], "rt_sigpending": [V(a1="8")],
    "rt_sigtimedwait": [V(a3="8")], "rt_sigsuspend": [V(a1="8")], "sigaltstack": [V(mode=EACH)],
    "rt_tgsigqueueinfo": [V(a2="a")],
    "ioctl": [V("TCGETS", a0="fd.tty", a1="5401"), V("TCSETS", a0="fd.tty", a1="5402"), V("TIOCGWINSZ", a0="fd.tty", a1="5413"),
              V("TIOCSWINSZ", a0="fd.tty", a1="5414"), V("TIOCGPTN", a0="fd.tty", a1="80045430"), V("TIOCGPGRP", a0="fd.tty", a1="540f"),
              V("FIONREAD", a0="fd.piper", a1="541b"), V("FIONBIO", a0="fd.piper", a1="5421", a2="[1]"), V("FIGETBSZ", a1="2"), V("FS_IOC_GETFLAGS", a1="80086601"),
              V("SIOCGIFCONF", a0="fd.udp", a1="8912", a2="[40,good]", inside={2: ["[40,X]"]}), V("SIOCGIFINDEX", a0="fd.udp", a1="8933", a2="[6f6c]"),
              V("SIOCGIFADDR", a0="fd.udp", a1="8915", a2="[6f6c]"), V("FS_IOC_FIEMAP", a1="c020660b"), V("SIOCATMARK", a0="fd.tcp", a1="8905")],
    "fcntl": [V("GETLK", a1="5"), V("SETLK", a1="6"), V("OFD_GETLK", a1="24"), V("GETOWN_EX", a0="fd.udp", a1="10"), V("SETOWN_EX", a0="fd.udp", a1="f"),
              V("GET_RW_HINT", a1="40b"), V("SET_RW_HINT", a1="40c")],
    "pipe": [V()], "dup2": [V()],
    "select": [V(a0="8")], "pselect6": [V(a0="8")],
    "poll": [V(a1="1")], "ppoll": [V(a1="1", a4="8")],
    "setitimer": [V(a0="1")],
    "sendfile": [V(a0="fd.file2", a1="fd.file", a3=USUAL)],
    "splice": [V("out", a0="fd.file", a2="fd.pipew", a3="0", a4=USUAL), V("in", a0="fd.piper", a1="0", a2="fd.file2", a4=USUAL)],
    "copy_file_range": [V(a0="fd.file", a2="fd.file2", a4=USUAL)],
    "vmsplice": [V(a0="fd.pipew", a2="1", a3="2")],
    "connect": [V(a0="fd.unbound", a1="[2f0001]", a2="10")], "bind": [V(a0="fd.unbound", a1="[2f0001]", a2="10"), V("inet", a0="fd.udp", a1="[2]", a2="10")],
    "accept": [V(a0="fd.listener")], "accept4": [V(a0="fd.listener")],
    "getsockname": [V(a0="fd.udp"), V("unix", a0="fd.listener")], "getpeername": [V(a0="fd.udp"), V("unix", a0="fd.stream")],
    "sendto": [V(a0="fd.udp", a2=USUAL, a3=USUAL), V("named", a0="fd.udp", a2=USUAL, a3=USUAL, a4="[2]", a5="10"),
               V("unix", a0="fd.unbound", a2=USUAL, a3=USUAL, a4="[2f0001]", a5="10")],
    "recvfrom": [V(a0="fd.dgram", a2=USUAL, a3="42")],
    "sendmsg": [V(a0="fd.udp", a1="[0,0,[good,40],1]", a2="40")], "sendmmsg": [V(a0="fd.udp", a1="[0,0,[good,40],1]", a2="1", a3="40")],
    "recvmsg": [V(a0="fd.dgram", a1="[0,0,[good,40],1]", a2="42")], "recvmmsg": [V(a0="fd.dgram", a1="[0,0,[good,40],1]", a2="1", a3="42")],
    "socketpair": [V(a0="1", a1="1")],
    "setsockopt": [V("RCVBUF", a0="fd.udp", a1="1", a2="8", a4="4"), V("RCVTIMEO", a0="fd.tcp", a1="1", a2="14", a4="10"), V("LINGER", a0="fd.tcp", a1="1", a2="d", a4="8"),
                   V("FILTER", a0="fd.tcp", a1="1", a2="1a", a4="10", a3="[1,[6]]", inside={3: ["[1,X]"]}), V("TOS", a0="fd.udp", a1="0", a2="1", a4="4"),
                   V("BINDTODEVICE", a0="fd.tcp", a1="1", a2="19", a4="10"), V("CONGESTION", a0="fd.tcp", a1="6", a2="d", a4="8")],
    "getsockopt": [V("TYPE", a0="fd.udp", a1="1", a2="3"), V("PEERCRED", a0="fd.stream", a1="1", a2="11"), V("LINGER", a0="fd.udp", a1="1", a2="d"),
                   V("TCP_INFO", a0="fd.tcp", a1="6", a2="b"), V("PEERGROUPS", a0="fd.stream", a1="1", a2="3b"), V("FILTER", a0="fd.tcp", a1="1", a2="1a")],
    "clone": [V("plain", MAKES, a0="11"), V("tids", MAKES, a0="1300011"), V("pidfd", MAKES, a0="1011"), V("tls", MAKES, a0="80011")],
    "clone3": [V(mode=MAKES, a0="[0,0,0,0,11]", a1="58")],
    "execve": [V(mode=EACH, a0="'/bin/pointers'")], "execveat": [V(mode=EACH, a1="'/bin/pointers'")],
    "wait4": [V(a0="child")], "waitid": [V(a0="1", a1="child", a3="4")],
    "futex": [V("wait", pointers="03", a1="80", a2="1"), V("wake", pointers="0", a1="81", a2="1"),
              V("requeue", pointers="04", a1="83", a2="1", a3="1", a4="good"), V("cmp_requeue", pointers="04", a1="84", a2="1", a3="1", a4="good"),
              V("wake_op", pointers="04", a1="85", a2="1", a3="1", a4="good"), V("bitset", pointers="03", a1="89", a2="1", a5="1"),
              V("shared", pointers="0", a1="1", a2="1"), V("shared_wait", pointers="03", a1="0", a2="1"),
              V("lock_pi", EACH, pointers="03", a1="86"), V("unlock_pi", pointers="0", a1="87"), V("trylock_pi", EACH, pointers="0", a1="88")],
    "futex_waitv": [V(a0="[1,good,2]", a1="1", a4="1")], "futex_wait": [V(a1="1", a2="1", a3="2", a5="1")], "futex_wake": [V(a1="1", a2="1", a3="2")],
    "futex_requeue": [V(a0="[0,good,2,0,good,2]", a2="1", a3="1")],
    "set_robust_list": [V(mode=EACH, a1="18", inside={0: ["[X,0,0]", "[0,0,X]"]})], "set_tid_address": [V(mode=EACH)],
    "get_robust_list": [V(a0="0")],
    "getdents": [V(a0="fd.dir", a1="good", a2="400")], "getdents64": [V(a0="fd.dir", a1="good", a2="400")],
    "getcwd": [V(a1="1000")],
    "readlink": [V(a0="'/tmp/link'", a2=USUAL)], "readlinkat": [V(a1="'/tmp/link'", a3=USUAL)],
    "symlink": [V(a1="'/tmp/new'")], "symlinkat": [V(a2="'/tmp/new'")], "link": [V(a1="'/tmp/file'")], "linkat": [V(a3="'/tmp/file'")],
    "rename": [V(a0="'/tmp/none'", a1="'/tmp/none'")], "renameat": [V(a1="'/tmp/none'", a3="'/tmp/none'")], "renameat2": [V(a1="'/tmp/none'", a3="'/tmp/none'")],
    "truncate": [V(a1="1000")], "ftruncate": [V(a1="1000")],
    "chroot": [V(mode=EACH)], "chdir": [V(mode=EACH)],
    "getgroups": [V(a0=USUAL)], "setgroups": [V(mode=RIGHTS, a0="1")],
    "capget": [V(mode=EACH, a0="[20080522]")], "capset": [V(mode=EACH, a0="[20080522]")],
    "setrlimit": [V(mode=EACH, a0="4")], "prlimit64": [V(mode=EACH, a1="4")], "getrlimit": [V(a0="4")],
    "sched_setaffinity": [V(mode=RIGHTS, a1="80")], "sched_getaffinity": [V(a1="80")], "sched_setparam": [V(mode=RIGHTS)],
    "sched_setscheduler": [V(mode=RIGHTS)], "sched_setattr": [V(mode=RIGHTS)], "sched_getattr": [V(a2=USUAL)],
    "prctl": [V("SET_NAME", RIGHTS, pointers="1", a0="f"), V("GET_NAME", RIGHTS, pointers="1", a0="10"), V("GET_PDEATHSIG", RIGHTS, pointers="1", a0="2"),
              V("GET_TSC", RIGHTS, pointers="1", a0="19"), V("GET_CHILD_SUBREAPER", RIGHTS, pointers="1", a0="25"),
              V("GET_AUXV", RIGHTS, pointers="1", a0="41555856", a2=USUAL), V("SET_VMA", MEMORY, pointers="24", a0="53564d41", a2="@page", a3="1000", a4="'name'"),
              V("SET_SECCOMP", EACH, pointers="2", a0="16", a1="2", a2="[1,[7fff000000000006]]", inside={2: ["[1,X]"]})],
    "arch_prctl": [V("GET_FS", a0="1003"), V("GET_GS", a0="1004"), V("SET_GS", RIGHTS, a0="1001")],
    "seccomp": [V("filter", EACH, a0="1", a2="[1,[7fff000000000006]]", inside={2: ["[1,X]"]}), V("action", a0="2", a2="[7fff0000]")],
    "timer_create": [V(a0="1", a1="[0,100000000]")], "timer_settime": [V(a0="timer")], "timer_gettime": [V(a0="timer")],
    "clock_nanosleep": [V(a0="1")],
    "timerfd_settime": [V(a0="fd.timer")], "timerfd_gettime": [V(a0="fd.timer")],
    "epoll_wait": [V(a0="fd.epoll", a2="1")], "epoll_pwait": [V(a0="fd.epoll", a2="1", a5="8")], "epoll_pwait2": [V(a0="fd.epoll", a2="1", a5="8")],
    "epoll_ctl": [V(a0="fd.epoll2", a1="3", a2="fd.event", a3="[1]")],
    "set_mempolicy": [V(mode=RIGHTS, a0="2", a1="[1]", a2="40")], "get_mempolicy": [V(a2="400"), V("address", a2="400", a3="@page", a4="2")],
    "migrate_pages": [V(a1="40")],
    "mq_open": [V(a0="'vmrun-pointers'", a1="2")], "mq_unlink": [V(a0="'vmrun-pointers-none'")],
    "mq_timedsend": [V(a0="fd.mq", a2="20")], "mq_timedreceive": [V(a0="fd.mq", a2=USUAL)],
    "mq_notify": [V(mode=RIGHTS, a0="fd.mq", a1="[0,100000000]")], "mq_getsetattr": [V(a0="fd.mq")],
    "inotify_add_watch": [V(a0="fd.inotify", a2="1")],
    "signalfd": [V(a0=SIZE_MAX, a2="8")], "signalfd4": [V(a0=SIZE_MAX, a2="8")],
    "process_vm_readv": [V(a1="[good,40]", a2="1", a3="[good,40]", a4="1", inside={3: ["[X,L]"]})],
    "process_vm_writev": [V(a1="[good,40]", a2="1", a3="[good,40]", a4="1", inside={3: ["[X,L]"]})],
    "process_madvise": [V(a0="fd.self", a1="[@page,1000]", a2="1", a3="14", inside={1: ["[X,L]"]})],
    "pidfd_send_signal": [V(a0="fd.self", a1="a")],
    "openat2": [V(a3="18")], "open": [V(a1="0")],
    "name_to_handle_at": [V(a2="[80]")],
    "statx": [V(a3="fff")], "getrandom": [V(a1=USUAL)],
    "setxattr": [V(a3=USUAL)], "lsetxattr": [V(a3=USUAL)], "fsetxattr": [V(a3=USUAL)], "getxattr": [V(a3=USUAL)], "lgetxattr": [V(a3=USUAL)],
    "fgetxattr": [V(a3=USUAL)], "listxattr": [V(a2=USUAL)], "llistxattr": [V(a2=USUAL)], "flistxattr": [V(a2=USUAL)],
    "setxattrat": [V(a4="[good,40]", a5="10", inside={4: ["[X,L]"]})], "getxattrat": [V(a4="[good,40]", a5="10", inside={4: ["[X,L]"]})],
    "unlink": [V(a0="'/tmp/none'")], "unlinkat": [V(a1="'/tmp/none'")], "rmdir": [V(a0="'/tmp/none'")],
    "mkdir": [V(a0="'/tmp/new-directory'", a1="1ff")], "mkdirat": [V(a1="'/tmp/new-directory'", a2="1ff")],
    "mknod": [V(a0="'/tmp/new-file'", a1="81a4")], "mknodat": [V(a1="'/tmp/new-file'", a2="81a4")],
    "chmod": [V(a1="1a4")], "fchmodat": [V(a2="1a4")], "fchmodat2": [V(a2="1a4")],
}


def rows(table):
    """The table of system calls, from docs/syscalls.md."""
    found = []
    for line in table.read_text(encoding="utf-8").splitlines():
        if not (match := ROW.match(line)):
            continue
        number, name, kinds, level, note = match.groups()
        # A comma within braces or brackets is part of a kind.
        split = re.split(r", (?![^{]*\})", kinds) if kinds else []
        found.append(Row(int(number), name, split, level, note))
    return found


def good(kind):
    return GOOD.get(kind) or ("good" if kind not in NO_POINTERS else "0")


def length_argument(kind):
    """The argument that has a pointer's length, and whether it is a size_t."""
    match = re.search(r"\[arg (\d)", kind)
    if not match or kind.startswith(("in sockaddr", "inout fd_set")):
        return None, False
    return int(match[1]), kind.startswith(("in[", "out[", "range[", "in long", "out long", "node mask"))


def lengths(address, is_size):
    if is_size:
        return {"0": "0", "1": "1", "usual": None, "2^32+1": WRAPPING, "SSIZE_MAX": SSIZE_MAX, "SIZE_MAX": SIZE_MAX, "wraps": f"~{address}"}
    return {"0": "0", "usual": None, "2^32+1": WRAPPING, "INT_MAX": "7fffffff", "-1": SIZE_MAX}


def calls_of(row):
    """(mode, label, words) of each call that one row is tried with."""
    for variant in CALLS.get(row.name, [V()]):
        words = [variant.words.get(index, good(row.kinds[index]) if index < len(row.kinds) else "0") for index in range(6)]
        for index, kind in enumerate(row.kinds):
            length, is_size = length_argument(kind)
            if length is not None and length not in variant.words and not kind.startswith("inout"):
                words[length] = USUAL if is_size or "byte" in kind else "1"
        title = f"{row.name}/{variant.title}" if variant.title else row.name
        for index, kind in enumerate(row.kinds):
            if kind in NO_POINTERS or str(index) not in variant.pointers:
                continue
            length, is_size = length_argument(kind)
            structures = variant.inside.get(index, []) + INSIDE.get(re.sub(r"\[arg \d\]", "", kind), [])
            for address in ADDRESSES:
                sizes = lengths(address, is_size) if length is not None else {"": None}
                for mode, size, word in tried(variant.mode, address, sizes):
                    call = list(words)
                    call[index] = f"@{address}"
                    if word is not None:
                        call[length] = word
                    yield mode, f"{title}/{index}/{address}" + (f"/{size}" if size else ""), call
                for place, structure in enumerate(structures):
                    sizes = lengths(address, True) if "L" in structure else {"": None}
                    for mode, size, word in tried(variant.mode, address, sizes):
                        call = list(words)
                        call[index] = structure.replace("X", f"@{address}").replace("L", word or USUAL)
                        yield mode, f"{title}/{index}.{place}/{address}" + (f"/{size}" if size else ""), call


def tried(mode, address, sizes):
    """Those of the sizes that an address is tried with: (mode, title of the size, word)."""
    for size, word in sizes.items():
        # What a length beyond the layout takes away is not laid out anew.
        alone = mode.replace("g", "l") if "m" in mode and size in ("2^32+1", "SSIZE_MAX", "wraps") else mode
        if address in FEW or (size in ("", "0", "usual") and "l" not in alone):
            yield alone, size, word


def plan(table, own, skip=lambda label: False):
    """The text of a plan for what Linux does. `own` has the addresses of vmrun's."""
    lines = [f"@ {name} {address:x}" for name, address in {**FIXED, **own}.items()]
    calls = [(mode, label, row.number, words) for row in rows(table) if row.level in ("full", "partial") for mode, label, words in calls_of(row)
             if not skip(label)]
    # Those in the one process first, then group by group.
    calls.sort(key=lambda call: call[0] != ".")
    lines += [f"{mode} {label} {number:x} {' '.join(words)}" for mode, label, number, words in calls]
    return "\n".join(lines) + "\n"
