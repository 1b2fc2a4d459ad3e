"""What runs on the emulated host: vmrun's own checks, busybox, and the static fixtures."""

import base64
import dataclasses
import difflib
import shlex

from harness import manifest

#: An emulated processor that emulates virtualization is up to a hundred times slower than a real one.
SLOWNESS = 4
TIMED_OUT = 137
#: What the emulated hosts' kernel and its tmpfs answer otherwise than the fixtures expect; vmrun must answer in just the same way.
BEYOND_THE_HOST = {
    "files/space": "tmpfs of Linux 6.1 knows fewer modes, and larger files",
    "files/not_its_own": "Linux before 6.10 lets nobody link a descriptor's file without a capability",
}
#: What cannot be compared, for it does not depend on vmrun alone.
LEFT_OUT = {
    "proc/fields": "Linux 6.1 shows nothing of a command line that prctl(2) has moved, which vmrun does not let a guest do",
    "proc/sizes": "Linux 6.1 counts resident pages in batches, and takes what an initramfs holds for shared memory",
}
#: What runs as root alone, because as somebody else the emulated hosts' kernel answers otherwise than vmrun.
ROOT_ALONE = {
    "files/nameless": "without a capability Linux before 6.10 finds no file behind an empty name, whatever the descriptor",
}

#: What `make test` runs of the fixtures on each kind of host, in one variant and as root (`--short`): where kinds of KVM and
#: processors differ, and what does not take long.
SHORT = {
    "arm64/code", "arm64/faults", "arm64/frames", "arm64/pointers", "arm64/scalable", "arm64/vectors",
    "cpu/instructions", "cpu/vector_state", "image/low", "image/zero_tail", "memory/file_mappings",
    "memory/protection", "memory/remap", "memory/stack", "process/exec", "process/fork", "process/hello",
    "process/storm", "process/vfork", "signals/context_edges", "signals/fault_kinds", "signals/faults",
    "signals/faults_everywhere", "signals/frames", "signals/handlers", "system/information", "threads/cancellation",
    "threads/pthreads",
}

DOCTOR = ["vmrun", "doctor"]
SHELL_SCRIPT = """
set -e
for i in 1 2 3; do echo line $i; done | sort -r | while read -r word number; do echo "$number:$word"; done
x=$(echo inner | tr a-z A-Z); echo "$x" > file; cat file file | wc -c
(exit 7) || echo status $?
sh -c 'kill -TERM $$' || echo killed $?
sleep 1 & wait $!
find . -type f | xargs ls
"""


@dataclasses.dataclass
class Job:
    name: str
    command: list
    seconds: int = 60
    #: Options of vmrun.
    options: list = dataclasses.field(default_factory=list)
    stdin: str = ""
    user: str = "root"
    env: dict = dataclasses.field(default_factory=dict)
    status: int = 0
    #: Lines that the output must contain; for commands that have no native counterpart.
    contains: list = dataclasses.field(default_factory=list)
    fixture: manifest.Fixture | None = None
    variant: str = ""
    #: The native run may fail, and vmrun must fail in just the same way.
    fails_alike: bool = False
    #: Where a program that is no fixture is to be had.
    program: str = ""

    @property
    def input_path(self):
        return f"/input/{self.name}" if self.stdin else "/dev/null"

    def line(self):
        vmrun = " ".join(["vmrun", *self.options])
        words = [self.name, str(self.seconds), self.user, self.input_path, vmrun, *self.command]
        exports = "".join(f"export {name}={shlex.quote(value)}; " for name, value in self.env.items())
        return f"({exports}job {' '.join(map(shlex.quote, words))})\n"

    def judge(self, record):
        """An empty string, or what is wrong. record: status, output and errors of the native run, then of vmrun's."""
        if self.fails_alike:
            return "" if record[:3] == record[3:] else "vmrun: fails in another way than natively" + transcripts(record)
        native_status, native_output, native_errors, status, output, errors = record
        output, details = decoded(output), transcript("vmrun", output, errors)
        if native_status not in ["-", str(self.status)]:
            return f"native: {described(native_status)}{transcript('native', native_output, native_errors)}"
        if status != str(self.status):
            return f"vmrun: {described(status)}{details}"
        missing = [text for text in self.contains if text not in output]
        if missing:
            return f"vmrun: the output lacks '{missing[0]}'{details}"
        if native_status == "-":
            return ""
        native_output = decoded(native_output)
        if self.fixture:
            native_output = self.fixture.normalised(native_output.encode())
            output = self.fixture.normalised(output.encode())
        if native_output != output:
            lines = "\n".join(difflib.unified_diff(native_output.splitlines(), output.splitlines(), "native", "vmrun",
                                                   lineterm="", n=1))
            return f"vmrun: other output than natively{indented(lines)}{details}"
        return ""


def decoded(word):
    return "" if word == "-" else base64.b64decode(word).decode(errors="replace")


def described(status):
    return "timed out" if status == str(TIMED_OUT) else f"exit status {status}"


def indented(text):
    """The last lines of a text, below the line that is being printed."""
    return "".join(f"\n    {line[:200]}" for line in text.splitlines()[-20:])


def transcript(whose, output, errors):
    return "".join(f"\n  {whose} {title}{indented(decoded(word))}"
                   for title, word in [("output", output), ("errors", errors)] if word != "-")


def transcripts(record):
    return transcript("native", *record[1:3]) + transcript("vmrun", *record[4:])


def own_jobs():
    yield Job("doctor", DOCTOR, contains=["this host can run guests"])
    yield Job("doctor-unprivileged", DOCTOR, user="nobody", contains=["this host can run guests"])
    yield Job("busybox/echo", ["/bin/busybox", "echo", "hi"])
    yield Job("busybox/echo-unprivileged", ["/bin/busybox", "echo", "hi"], user="nobody")
    yield Job("busybox/shell", ["/bin/busybox", "sh", "-c", SHELL_SCRIPT])
    yield Job("busybox/shell-stdin", ["/bin/busybox", "sh"], stdin="echo one\nread x < /proc/version\necho ${x%% *}\n")
    yield Job("busybox/gzip", ["/bin/busybox", "sh", "-c", "gzip -c /bin/busybox | gzip -dc | md5sum"])


@dataclasses.dataclass
class FixtureJobs:
    """Which fixtures run on a kind of host."""
    #: As which variant a fixture is built that has a variant: {of the manifest: as which}.
    variants: dict
    machine: str
    #: {name: reason}: what QEMU's processor does not do, so that the native run fails too.
    beyond_the_emulator: dict
    #: {name: reason}: what cannot be compared there.
    left_out: dict
    #: Names of SHORT that take too long there for a short round.
    long: set = dataclasses.field(default_factory=set)

    def make(self, fixtures, short=False):
        """Every fixture that needs nothing but itself, in each of the variants that it has; or those of `SHORT`, in one."""
        missing = SHORT - {fixture.name for fixture in fixtures}
        if missing:
            raise ValueError(f"SHORT names fixtures that do not exist: {missing}")
        for fixture in fixtures:
            if fixture.run_by not in [None, self.machine] or fixture.skip or fixture.name in {**LEFT_OUT, **self.left_out}:
                continue
            if fixture.machine not in [None, self.machine]:
                continue
            variants = [built for variant, built in self.variants.items()
                        if variant in fixture.variants and variant not in fixture.skip_variants]
            if short:
                variants = variants[:1] if fixture.name in SHORT - self.long else []
            for variant in variants:
                arguments = [argument.replace("$TMPDIR", "/tmp/t") for argument in fixture.args]
                program = f"/fixtures/{variant}/{fixture.name}"
                both = fixture.unprivileged and fixture.name not in ROOT_ALONE and variant == variants[0]
                users = ["root", "nobody"] if both and not short else ["root"]
                for user in users:
                    prefix = "unprivileged/" if user != "root" else ""
                    yield Job(f"{prefix}{fixture.name}.{variant}", [program, *arguments], user=user,
                              seconds=int(fixture.timeout * SLOWNESS), options=list(fixture.vmrun), stdin=fixture.stdin,
                              env=fixture.env, status=fixture.status, fixture=fixture, variant=variant,
                              fails_alike=fixture.name in {**BEYOND_THE_HOST, **self.beyond_the_emulator})


def program_jobs(programs):
    """Programs from the command line, to look into one thing."""
    for number, words in enumerate(programs):
        path, *arguments = shlex.split(words)
        yield Job(f"program/{number}", [f"/programs/{number}", *arguments], program=path, seconds=120)
