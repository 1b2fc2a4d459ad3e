"""What is run: programs from start to exit, and fixtures that measure calls of their own."""

import dataclasses
import shlex

from benchmark.runners import FIXTURES, LOAD, WORK

#: Files and directories of the tree that find goes through, itself included.
TREE_SIZE = 4429
TREE_FILES_EACH = 28


@dataclasses.dataclass
class Row:
    title: str
    command: list
    #: What the ratio to native is to be at most; 0 for no target.
    target: float = 0
    #: At most so many runs; the slow get fewer.
    runs: int = 20
    #: It starts other programs.
    has_children: bool = False
    #: The name under which the program prints its own measurement in nanoseconds, where it does, what that is divided by, and
    #: the unit then.
    reports: str = ""
    divisor: float = 1
    unit: str = "ms"
    #: What runs natively before each run.
    before: list = dataclasses.field(default_factory=list)


def prepare():
    """What the rows need below build/."""
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "hello.c").write_text('#include <stdio.h>\n\nint main(void)\n{\n    puts("hello");\n    return 0;\n}\n')
    tree = WORK / "tree"
    if not tree.exists():
        fresh = WORK / "tree.new"
        left, number = TREE_SIZE - 1, 0
        while left > 0:
            folder = fresh / f"part-{number % 10}" / f"directory-{number}"
            # A part is one of those that are counted.
            left -= 1 + (not folder.parent.exists())
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(min(TREE_FILES_EACH, left)):
                (folder / f"file-{index}").write_text(str(index))
                left -= 1
            number += 1
        fresh.rename(tree)


def fork_loop(*command):
    """300 times, in a shell."""
    return ["-c", f"i=0; while [ $i -lt 300 ]; do {shlex.join(command)}; i=$((i+1)); done"]


def programs():
    """The table of the targets, row by row."""
    return [
        Row("static C `true`, start to exit", [LOAD, "nothing"], 5, 60),
        Row("/bin/true, dynamic", ["/bin/true"], 5, 60),
        Row("getppid x 200 000", [LOAD, "getppid", "200000"], 2),
        Row("busybox dd bs=1, 200 000 calls", ["/bin/busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=100000",
                                              "status=none"], 2),
        Row("CPU loop", [LOAD, "compute", "250"], 1.02),
        Row("busybox sh, 300 fork+exec", ["/bin/busybox", "sh", *fork_loop("/bin/busybox", "true")], 2.4, has_children=True),
        Row("bash, 300 x /bin/true", ["/bin/bash", *fork_loop("/bin/true")], 3, has_children=True),
        Row("gcc -O2 -c hello.c", ["/usr/bin/gcc", "-O2", "-c", str(WORK / "hello.c"), "-o", str(WORK / "hello.o")], 2,
            has_children=True),
        Row("python3 -c 'import json, subprocess'", ["/usr/bin/python3", "-c", "import json, subprocess"], 2),
        # Where the machine is a virtual one that gives its free memory back to its host, the first touch of such a page takes many
        # times as long as any other, and a run would measure when the last one was. So there is enough that has just been used,
        # in small and in huge pieces.
        Row("touch 512 MB", [LOAD, "touch", "512"], 1, 10, before=[LOAD, "touch-huge", "1024"]),
        Row(f"find, {TREE_SIZE} files", ["/usr/bin/find", str(WORK / "tree")], 3),
        Row("tar cf /dev/null /usr/include", ["/usr/bin/tar", "-cf", "/dev/null", "-C", "/", "usr/include"], 2),
        Row("memory walk", [str(FIXTURES / "cpu" / "speed")], 0, 3, reports="memory", unit="ns"),
        Row("clock_gettime", [str(FIXTURES / "cpu" / "speed")], 0, 3, reports="clock", unit="ns"),
    ]


def processes():
    """Processes, threads, and talk between them, by the fixture process/costs."""
    program = str(FIXTURES / "process" / "costs")
    titles = {
        "fork": "fork, exit, wait", "fork-exec": "fork, exec, wait", "vfork-exec": "vfork, exec, wait",
        "spawn": "posix_spawn, wait", "large-fork": "fork, exit, wait with 200 MB touched",
        "large-fork-exec": "fork, exec, wait with 200 MB touched", "large-spawn": "posix_spawn, wait with 200 MB touched",
        "mappings-fork": "fork, exit, wait with 10 000 mappings", "thread": "pthread_create, join",
        "futex": "futex, to another thread and back", "pipe": "pipe, to another process and back",
        "signal": "kill(self), handler, return",
    }
    rows = [Row(title, [program, name], 0, 5, "exec" in name or "spawn" in name, name, 1e3, "µs")
            for name, title in titles.items()]
    return [*rows, Row("1000 posix_spawns", [program, "1000-spawns"], 0, 3, True, "1000-spawns", 1e6)]


def paths():
    """Calls on paths, by the fixture files/costs."""
    program = str(FIXTURES / "files" / "costs")
    titles = {
        "getppid": "getppid, for comparison", "fstat": "fstat", "fstatat-empty": "fstatat of a descriptor",
        "lstat-name": "fstatat of a name, links not followed", "stat-name": "fstatat of a name",
        "stat-link": "fstatat of a link", "stat-dots": "fstatat of ../c/file", "stat-absolute": "fstatat of an absolute path",
        "stat-relative": "fstatat of a relative path", "stat-through-link": "fstatat through a link",
        "stat-missing": "fstatat of what is not there", "statx-absolute": "statx of an absolute path",
        "access-absolute": "faccessat of an absolute path", "access-name": "faccessat of a name",
        "readlink-name": "readlinkat of a name", "readlink-no-link": "readlinkat of a file",
        "open-close": "open, close", "open-close-name": "open of a name, close",
        "open-close-through-link": "open through a link, close",
        "open-missing": "open of what is not there", "open-close-to-write": "open to write, close", "chdir": "chdir",
        "getcwd": "getcwd", "mkdir-rmdir": "mkdir, rmdir", "getdents-500": "lseek, getdents of 500 entries",
    }
    return [Row(title, [program, name, str(WORK)], 0, 3, False, name, 1e3, "µs") for name, title in titles.items()]
