"""`vmrun doctor`: what it says of this machine, and of machines that lack something."""

import re
import shutil

from harness.context import scratch
from harness.privilege import USER, as_other_user, in_private_mounts
from harness.registry import case, check

#: What it says of every machine that can run guests, in this order.
LINES = {
    "kernel": r"\d+\.\d+.*",
    "this host": r"(a virtual machine|real hardware).*",
    "/dev/kvm": r"usable, mode 0[0-7]{3}, group \S+",
    "kind of KVM": r"(VMX|SVM|page-table based \(PVM\)|arm64), .*(paging|VHE).*",
    "system calls land in": r"ring [03]",
    "cost of an exit": r"[\d]+\.\d µs, median of \d{4,}; a program that makes [1-9]\d* system calls a second takes twice its time",
    "address bits": r"(physical \d+, )?guest-physical \d+, virtual \d+",
    "vCPUs in one VM": r"[1-9]\d*",
    "memslots": r"[1-9]\d*",
    "clock": r"(without a system call|by system calls).*",
    "transparent huge pages": r"always|madvise|never|not in this kernel",
    "system call filter": "in every session",
    "Landlock": r"version \d+: files(,| and) execution( and signals)?|not in this kernel",
    "result": "this host can run guests",
}
#: What it says besides, where something is missing.
FURTHER = ["missing", "advice"]
#: A directory on which a test mounts what the machine shall look like.
STAGE = "mount -t tmpfs -o dev,mode=755 stage /mnt"


def said(result):
    """Its lines, as pairs of name and value."""
    pairs = [line.split(": ", 1) for line in result.stdout.decode().splitlines()]
    check(all(len(pair) == 2 for pair in pairs), "not all lines are 'name: value'", result.transcript())
    return pairs


def can_run(result):
    check(result.status == 0, result.describe(), result.transcript())
    check(not result.stderr, "something is on stderr", result.transcript())
    pairs = [pair for pair in said(result) if pair[0] not in FURTHER]
    names = [name for name, _ in pairs]
    check(names == [name for name in LINES if name in names], "other lines, or in another order", result.transcript())
    check(set(LINES) - set(names) <= {"system calls land in"}, "lines are missing", result.transcript())
    for name, value in pairs:
        check(re.fullmatch(LINES[name], value), f"'{name}' has another form: {value}", result.transcript())


def cannot_run(result, sentence, *advice):
    """The reason on stderr, what was found out on stdout, and advice that mentions each of these."""
    check(result.status == 125, result.describe(), result.transcript())
    lines = result.stderr.decode().splitlines()
    check(len(lines) == 1 and sentence in lines[0], f"stderr is no sentence about '{sentence}'", result.transcript())
    pairs = said(result)
    check([name for name, _ in pairs][:2] == ["kernel", "this host"], "it does not say what it found", result.transcript())
    check("result" not in dict(pairs), "it has a result all the same", result.transcript())
    given = [value for name, value in pairs if name == "advice"]
    check(given, "it gives no advice", result.transcript())
    for words in advice:
        check(any(words in text for text in given), f"no advice mentions '{words}'", result.transcript())


@case()
def as_this_user(context):
    can_run(context.guest([], "doctor"))


@case()
def as_another_user(context):
    with scratch() as folder:
        shutil.copy(context.vmrun, folder / "vmrun")
        can_run(context.run(as_other_user([str(folder / "vmrun"), "doctor"], folder), cwd=folder))


def on_a_changed_machine(context, setup):
    return context.run(in_private_mounts(f"{STAGE}\n{setup}", [str(context.vmrun), "doctor"]))


@case(needs_host=False)
def a_container_without_the_device(context):
    result = on_a_changed_machine(context, "mkdir -p /mnt/kvm; mount --bind /mnt /sys/class/misc; mount -t tmpfs none /dev")
    cannot_run(result, "/dev/kvm does not exist", "--device /dev/kvm")


@case(needs_host=False)
def a_kernel_without_kvm(context):
    result = on_a_changed_machine(context, "mount --bind /mnt /sys/class/misc; mount -t tmpfs none /dev")
    cannot_run(result, "/dev/kvm does not exist")
    check(b"--device" not in result.stdout, "it takes the machine for a container", result.transcript())


def refused(context, mode, group):
    """Another user's doctor on a machine whose /dev/kvm has this mode and group."""
    with scratch() as folder:
        shutil.copy(context.vmrun, folder / "vmrun")
        setup = f"""{STAGE}
            mknod -m {mode} /mnt/kvm c $(stat -c '0x%t 0x%T' /dev/kvm)
            chgrp {group} /mnt/kvm
            mount --bind /mnt/kvm /dev/kvm"""
        user = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
        return context.run(in_private_mounts(setup, [*user, str(folder / "vmrun"), "doctor"]), cwd=folder)


@case()
def a_group_to_join(context):
    result = refused(context, 660, "video")
    cannot_run(result, "no permission to open /dev/kvm", "usermod -aG video")
    check(b"not usable, mode 0660, group video\n" in result.stdout, "it does not say whose the device is", result.transcript())


@case()
def no_group_to_join(context):
    cannot_run(refused(context, 600, "root"), "no permission to open /dev/kvm", "udev")
    cannot_run(refused(context, 660, "root"), "no permission to open /dev/kvm", "udev")


@case()
def without_huge_pages(context):
    result = on_a_changed_machine(context, """
        echo 'always madvise [never]' > /mnt/enabled
        mount --bind /mnt/enabled /sys/kernel/mm/transparent_hugepage/enabled""")
    can_run(result)
    check(b"transparent huge pages: never\nadvice: " in result.stdout, "no advice", result.transcript())
