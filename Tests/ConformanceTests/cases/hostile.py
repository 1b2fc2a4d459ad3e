"""Hostile pointers in every pointer argument of every system call, generated from the table. The host is the oracle."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess

from harness import pointer_plan, process
from harness.context import ENVIRONMENT, scratch
from harness.registry import check, case

ARENA_TOP = 0x6e00_0000_0000

#: Where Linux and vmrun say different things: (labels, native answer, answer under vmrun, why). Labels are CALL/VARIANT/ARGUMENT/ADDRESS/LENGTH.
#: An entry that meets nothing fails the test.
DIFFERENCES = [
    (r"(mmap|shmat|munmap|mremap)/.*/(own|shim|arena|user|low|minus)\..*", r".*", r"errno (12|22|14|1)(, status 0)?",
     "a guest can have nothing beyond the arena, nor below 64 KiB whatever its rights"),
    (r"(mmap|shmat)/.*/low", r".*", r"errno 1", "nor below 64 KiB, whatever its rights"),
    (r".*/(SSIZE_MAX|SIZE_MAX|wraps)", r".*", r"errno 14(, status 0)?", "a length that leads beyond the arena is EFAULT, where Linux cuts it or refuses it for its size"),
    (r"(mbind|set_mempolicy_home_node)/.*", r"errno \d+(, status 0)?", r"errno (14|22|2)(, status 0)?", "which of two errors comes first"),
    (r"process_madvise/.*|setsockopt/FILTER/.*", r"errno \d+", r"errno (12|14)", "what is not the guest's is refused before rights are looked at"),
    (r"get_mempolicy/.*/null/SSIZE_MAX|sendto/.*/user\.last/.*", r"ok|errno 14", r"errno 22", "the last page, and the largest mask, that the kernel has"),
    (r"madvise/dontneed/0/.*/SSIZE_MAX", r"errno 22, (status 0|signal 11)", r".*", "everything that follows is thrown away, up to what differs: the vDSO here, the arena's end there"),
    (r"clone3/0\.4/.*", r"ok, status 0", r"errno 22, status 0", "a stack outside of the arena is refused before there is a child"),
]


def addresses_of(pid):
    """One of vmrun's own addresses of each kind."""
    found = {}
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        for line in maps:
            span, access, *rest = line.split(None, 5)
            start, end = (int(word, 16) for word in span.split("-"))
            path = rest[3].strip() if len(rest) > 3 else ""
            if start < ARENA_TOP:
                continue
            kind = "own.stack" if path == "[stack]" else None
            if "kvm-vcpu" in path:
                kind = "own.vcpu"
            elif path.startswith("/") and "memfd" not in path:
                kind = {"r-xp": "own.text", "rw-p": "own.data"}.get(access)
            elif not path and access == "rw-p":
                kind = "own.mapping"
            if kind:
                found.setdefault(kind, end - 4096 if kind == "own.stack" else start)
    return found


def unchanging(pid):
    """What vmrun's text and constants are."""
    found = hashlib.sha256()
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            span, access, *rest = line.split(None, 5)
            start, end = (int(word, 16) for word in span.split("-"))
            if start >= ARENA_TOP and access[1] == "-" and len(rest) > 3 and rest[3].startswith("/") and "memfd" not in rest[3]:
                memory.seek(start)
                found.update(memory.read(end - start))
    return found.hexdigest()


def prepare(context, root):
    """A root that is the same for both runs."""
    for name in ("bin", "dev", "proc", "tmp"):
        (root / name).mkdir(mode=0o755)
    shutil.copy(context.fixture("hostile/pointers", "static-glibc"), root / "bin/pointers")


def answers(context, command, own=None):
    """Play the plan: {label: answer}."""
    # Queues are below a Landlock rule that a host without /dev/mqueue has no place for.
    skip = (lambda label: False) if os.path.ismount("/dev/mqueue") else (lambda label: label.startswith("mq_"))
    root = pathlib.Path(command[command.index("/bin/pointers") - 1])
    player = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env=ENVIRONMENT)
    try:
        check(player.stdout.readline() == b"ready\n", "the fixture does not start")
        addresses = own or addresses_of(player.pid)
        check(set(addresses) == set(pointer_plan.OWN_OF_VMRUN), f"addresses of vmrun: {addresses}")
        before = unchanging(player.pid)
        (root / "plan").write_text(pointer_plan.plan(context.repository / "docs/syscalls.md", addresses, skip), encoding="ascii")
        player.stdin.write(b"x")
        player.stdin.flush()
        found = {}
        for line in player.stdout:
            label, _, answer = line.decode().rstrip("\n").partition(" ")
            if label == "check":
                if not own:
                    check(unchanging(int(answer)) == before, "vmrun's text is not what it was")
                player.stdin.write(b"x")
                player.stdin.flush()
            else:
                found[label] = answer
        complaints = player.stderr.read().decode(errors="replace")
        status = player.wait()
        check(status == 0, f"the fixture ended with {status}", complaints)
        check("vmrun:" not in complaints, "vmrun complains", complaints)
        return found
    finally:
        player.kill()
        player.wait()
        for pipe in (player.stdin, player.stdout, player.stderr):
            pipe.close()


@case(needs_vmrun=False)
def pointers(context):
    """Each call with each kind of bad address and length answers what Linux answers; vmrun's own memory stays what and where it is."""
    played = []
    # Natively vmrun's addresses are some where nothing is.
    for own in [{name: 0x7d12_0000_0000 + index * 0x10_0000 for index, name in enumerate(pointer_plan.OWN_OF_VMRUN)}, None]:
        if not own and context.native_only:
            return
        with scratch() as root:
            prepare(context, root)
            command = ["/bin/pointers", "/plan"]
            line = context.natively(command, sysroot=root) if own else context.under_vmrun(command[:0], sysroot=root) + command
            played.append(answers(context, line, own))
            leaked = process.reap_leftovers()
            check(not leaked, "processes were left behind: " + "; ".join(leaked))
    native, guest = played
    check(len(native) > 10000, f"only {len(native)} calls were made")
    met, wrong = set(), []
    for label, answer in native.items():
        if answer == guest.get(label):
            continue
        for index, (labels, natively, under_vmrun, _) in enumerate(DIFFERENCES):
            if re.fullmatch(labels, label) and re.fullmatch(natively, answer) and re.fullmatch(under_vmrun, guest.get(label, "")):
                met.add(index)
                break
        else:
            wrong.append(f"{label}: natively {answer}, under vmrun {guest.get(label)}")
    check(not wrong, f"{len(wrong)} of {len(native)} calls answer something else", "\n".join(wrong[:60]))
    stale = [DIFFERENCES[index][0] for index in range(len(DIFFERENCES)) if index not in met]
    check(not stale, "listed differences that are none any more", "\n".join(stale))


@case()
def refused_calls(context):
    """Calls that the table refuses answer the errno that it names, whatever they are given."""
    # This one looks at its arguments first.
    rows = [row for row in pointer_plan.rows(context.repository / "docs/syscalls.md")
            if row.level in ("refused", "absent") and row.name != "clock_settime"]
    check(len(rows) > 50, f"only {len(rows)} rows")
    with scratch() as root:
        prepare(context, root)
        plan = [f"@ {name} {address:x}" for name, address in pointer_plan.FIXED.items()]
        for row in rows:
            plan += [f". {row.name}/{address} {row.number:x}" + f" @{address}" * 6 for address in pointer_plan.FEW if not address.startswith("own.")]
        (root / "plan").write_text("\n".join(plan) + "\n", encoding="ascii")
        result = context.guest(["/bin/pointers", "/plan"], sysroot=root, stdin=b"xx", timeout=60)
    check(result.status == 0, result.describe(), result.transcript())
    wrong, answered = [], 0
    for line in result.stdout.decode().splitlines()[1:]:
        label, _, answer = line.partition(" ")
        row = next((row for row in rows if row.name == label.split("/")[0]), None)
        if not row:
            continue
        named = re.match(r"E[A-Z]+", row.note)
        answered += 1
        if answer != f"errno {ERRNOS[named[0] if named else 'ENOSYS']}":
            wrong.append(line)
    check(answered > 400 and not wrong, f"{len(wrong)} of {answered} calls answer something else", "\n".join(wrong[:40]))


ERRNOS = {"EPERM": 1, "EINVAL": 22, "ENOSPC": 28, "ENOSYS": 38}
