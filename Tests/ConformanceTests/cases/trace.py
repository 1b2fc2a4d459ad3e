"""--trace: its lines are compared with those of strace(1) for the same program."""

import re
import shutil

from harness.context import compare, scratch
from harness.registry import Skip, case, check

#: A line of strace -f -o, and of --trace.
LINE = re.compile(r"(?P<id>\d+) +(?:\d+\.\d+ )?(?P<text>.*)")
DURATION = re.compile(r" <\d+\.\d{6}>$")


def strace():
    path = shutil.which("strace")
    if not path:
        raise Skip("strace is not installed: 'make test' installs it")
    return path


def whole_lines(text):
    """Each process's lines, in the order in which calls ended; processes in the order in which they began."""
    found, begun = {}, {}
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        check(match, "a line that has no process and no text", line)
        process, rest = match["id"], DURATION.sub("", match["text"])
        if rest.endswith("<unfinished ...>"):
            begun[process] = rest.removesuffix("<unfinished ...>")
            found.setdefault(process, [])
            continue
        resumed = re.fullmatch(r"<\.\.\. \w+ resumed>(.*)", rest)
        if resumed:
            rest = begun.pop(process, "") + resumed[1]
        found.setdefault(process, []).append(rest)
    for process, rest in begun.items():
        # The process was killed in this call.
        found[process].append(rest + " = ?")
    return found


#: What cannot be the same, or what --trace says in fewer words.
NORMAL = [
    (r"\s+", " "), (r"\( ", "("), (r" \)", ")"), (r" ,", ","), (r"\?( = \?)+$", "?"), (r"([^)]) = \?$", r"\1) = ?"),
    (r"0x[0-9a-f]{5,16}\b", "ADDRESS"),
    (r"si_uid=\d+", "si_uid=N"), (r", si_utime=.*?\}", "}"),
    (r"getrandom\(\".*?\"(\.\.\.)?", 'getrandom("..."'),
    (r"rt_sigreturn\(.*", "rt_sigreturn()"),
    (r"\{stx_mask=.*\}", "{...}"), (r"AT_STATX_SYNC_AS_STAT\|", ""),
    (r" => \{parent_tid=\[\d+\]\}", ""), (r"parent_tid=(ADDRESS|\[\d+\])", "parent_tid"),
    (r"left \{.*?\}", "left"), (r"( nanosleep|^nanosleep)(\(\{.*?\}), .*?\) =", r"\1\2) ="), (r" \(SUID_DUMP_USER\)", ""),
    (r"brk\(.*", "brk"),
    # Uncertain in strace too.
    (r"\? ERESTART\w+ \(.*?\)", "? ERESTART"),
    # strace shows what the kernel has put back where the result would be.
    (r"getppid\(\) = \?", "getppid() = N"), (r"prctl\(PR_SET_SECCOMP, .*?\) =", "prctl(PR_SET_SECCOMP) ="),
    (r"(si_code=SYS_SECCOMP), .*\}", r"\1}"), (r"\(core dumped\) ", ""),
    (r"sin6?_port=htons\(\d+\)", "port"), (r"getppid\(\) = \d+", "getppid() = N"),
    # /proc's files have larger blocks here, for which stdio has larger buffers.
    (r"(read\(\d+, \".*), 1024\)", r"\1, 4096)"),
]


def normal(processes):
    """One text, in which processes are numbered."""
    text = ""
    for number, (process, lines) in enumerate(processes.items()):
        text += f"--- process {number}\n"
        for index, line in enumerate(lines):
            # Each has its own address of the restartable sequence; the guest's kernel has none.
            if line.startswith(("rseq", "futex")):
                continue
            # Nothing of vmrun runs in a process that another signal than its own ends.
            if line == "+++ killed by SIGKILL +++":
                continue
            # What is ignored is never seen; of what is handled, the return is.
            if line.startswith("--- SIGCHLD") and not "".join(lines[index + 1:index + 2]).startswith("rt_sigreturn"):
                continue
            for pattern, replacement in NORMAL:
                line = re.sub(pattern, replacement, line)
            for other, name in enumerate(processes):
                line = re.sub(rf"\b{name}\b", f"PROCESS{other}", line)
            text += line + "\n"
    return text


def both(context, folder, command, options=()):
    """What strace and --trace say of a command, made comparable."""
    native, own = folder / "strace", folder / "trace"
    first = context.run([strace(), "-f", "-o", str(native), *map(str, command)], cwd=str(folder))
    check(native.is_file(), "strace: no trace", first.transcript())
    if context.native_only:
        return None
    second = context.guest(command, "--trace", "-o", str(own), *options, cwd=str(folder))
    check(second.status == first.status, f"vmrun: {second.describe()}, natively {first.describe()}", second.transcript())
    check(second.stdout == first.stdout and second.stderr == first.stderr, "other output", second.transcript())
    expected = whole_lines(native.read_text(errors="replace"))
    # vmrun itself has executed the first program.
    lines = next(iter(expected.values()))
    check(lines[0].startswith("execve("), "strace begins with something else", lines[0])
    del lines[0]
    return normal(expected), normal(whole_lines(own.read_text(errors="replace")))


def compared(name, make):
    @case(name)
    def run(context):
        with scratch() as folder:
            texts = both(context, folder, make(context))
            if texts:
                compare(*texts)


for how in ("error", "trap", "kill", "strict", "thread"):
    compared(f"refused-{how}", lambda context, how=how: [context.fixture("trace/refused"), how])
compared("a-program", lambda context: [context.fixture("trace/calls")])
compared("cat", lambda context: ["/bin/cat", "/etc/hostname", "/no/such/file"])
compared("ls", lambda context: ["/bin/ls", "-l", "/etc/alternatives"])
compared("shell", lambda context: ["/bin/sh", "-c", "cat /etc/hostname; (exit 3); ls /etc/passwd; kill -9 $$"])


@case()
def calls_that_never_return(context):
    """A call that waits when its process is killed has its line."""
    with scratch() as folder:
        # The second sleeper reads nothing, so that the pipe fills.
        script = "sleep 60 & sleep 0.5; kill -9 $!; yes | sleep 60 & sleep 0.5; kill -9 0"
        context.guest(["/bin/sh", "-c", f"setsid -w sh -c '{script}'; exit 0"], "--trace", "-o", str(folder / "trace"), cwd=str(folder))
        text = (folder / "trace").read_text(errors="replace")
    for wanted in (r"clock_nanosleep\(CLOCK_REALTIME, 0, \{tv_sec=60, tv_nsec=0\}.* <unfinished \.\.\.>", r"write\(1, .* <unfinished \.\.\.>"):
        check(re.search(wanted, text), f"no {wanted}", text[-3000:])
    check("clock_nanosleep resumed" in text, "those that end have no second line", text[-3000:])


@case()
def what_is_ready_has_one_line(context):
    with scratch() as folder:
        context.guest(["/bin/cat", "/etc/hostname"], "--trace", "-o", str(folder / "trace"), cwd=str(folder))
        text = (folder / "trace").read_text(errors="replace")
    check("read(3, " in text and "unfinished" not in text, "lines in two parts", text)
