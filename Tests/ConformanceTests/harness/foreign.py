"""Programs for other processors: how they run without vmrun, by the same translator, and the comparison of both."""

import pathlib

from harness.context import scratch
from harness.registry import check

SCRIPTS = pathlib.Path(__file__).parent.parent / "scripts" / "foreign"
#: What tells programs of a machine: the class in e_ident, and e_machine.
MACHINES = {"aarch64": (2, 183), "arm": (1, 40), "riscv64": (2, 243)}

#: binfmt_misc is a user namespace's own from Linux 6.7 on; before that the machine's, which packages of qemu-user fill.
NATIVE_SCRIPT = """
mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --bind "$1" "$0/mnt" || exit 125
formats=/proc/sys/fs/binfmt_misc
if mount -t binfmt_misc binfmt_misc $formats 2> /dev/null; then
    for machine in $2; do printf %s "$machine" > $formats/register || exit 125; done
fi
test -e "$formats/$3" || {
    echo "Nothing on this machine runs $3 programs natively: it takes Linux 6.7, or a registration of qemu-user." >&2
    exit 125
}
shift 3
exec chroot "$0" "$@"
"""


def escaped(values):
    return "".join(f"\\x{value:02x}" for value in values)


def registration(machine):
    """What binfmt_misc is told: magic and mask of the ELF header, and to open the translator at once and to keep argv[0]."""
    bits, number = MACHINES[machine]
    magic = [*b"\x7fELF", bits, 1, 1, *[0] * 9, 2, 0, number & 0xff, number >> 8]
    # Any operating system's ABI; executable and position independent.
    mask = [*[0xff] * 7, 0, *[0xff] * 8, 0xfe, *[0xff] * 3]
    return f":qemu-{machine}:M::{escaped(magic)}:{escaped(mask)}:/usr/bin/qemu-{machine}-static:PF"


def natively(command, root, folder, machine="aarch64"):
    """The command line that runs a command in a foreign root directory, with a directory of the host's as its /mnt."""
    return ["unshare", "--user", "--map-root-user", "--mount", "--propagation", "private", "sh", "-c", NATIVE_SCRIPT,
            str(root), str(folder), " ".join(map(registration, MACHINES)), f"qemu-{machine}", *map(str, command)]


def same_as_native(context, command, root, files, machine="aarch64", **arguments):
    """Run a command natively by the translator, then under vmrun; return the native run.

    Each run has a directory of its own as its /mnt, with these files {name: content} in it.
    """
    with scratch() as one, scratch() as other:
        for folder in [one, other]:
            for name, content in files.items():
                (folder / name).write_bytes(content)
                (folder / name).chmod(0o755)
        return context.same_as_native(command, "--bind", f"{other}:/mnt", sysroot=root,
                                      native_command=natively(command, root, one, machine), env={"TMPDIR": "/mnt"}, **arguments)


def fixture(context, name, variant, timeout=100):
    """A fixture for another processor: it passes natively, and does the same under vmrun."""
    program = context.fixture(name, variant).read_bytes()
    # What is for a third processor needs nothing of the root, if it is static.
    return same_as_native(context, ["/mnt/program"], context.root("arm64"), {"program": program}, variant.partition("-")[0],
                          timeout=timeout)


def script(context, name, interpreter, *arguments, timeout=120):
    """A script of scripts/foreign in the arm64 root."""
    return same_as_native(context, [*interpreter, f"/mnt/{name}", *arguments], context.root("arm64"),
                          {name: (SCRIPTS / name).read_bytes()}, timeout=timeout)
