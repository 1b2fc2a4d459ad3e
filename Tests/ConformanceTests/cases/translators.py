"""Programs for other processors, which a translator runs: qemu-user, found or named with --interp."""

import os
import pathlib
import shutil

from harness import elf
from harness.context import scratch
from harness.registry import Skip, case, check

QEMU = pathlib.Path("/usr/bin/qemu-aarch64-static")


def root_with(context, folder, *translators):
    """A busybox root with the foreign program in it, and the translator under these names."""
    check(QEMU.exists(), f"{QEMU} is missing: 'make setup' installs it")
    root = folder / "root"
    shutil.copytree(context.busybox, root, symlinks=True)
    shutil.copy(context.fixture("translated/program", "aarch64"), root / "bin/foreign")
    for name in translators:
        target = root / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(QEMU, target)
    return root


def expect(context, root, command, lines, *options, status=3):
    if context.native_only:
        raise Skip("nothing runs such programs natively")
    result = context.guest(command, *options, sysroot=root, timeout=60)
    check(result.stdout.decode(errors="replace").splitlines() == lines, f"not {lines}", result.transcript())
    check(result.status == status, f"{result.describe()} instead of {status}", result.transcript())


@case()
def translator_found_on_the_host(context):
    with scratch() as folder:
        root = root_with(context, folder)
        expect(context, root, ["/bin/foreign", "say", "a b"], ["aarch64: </bin/foreign> <say> <a b>"])


@case()
def translator_found_in_the_root(context):
    for name in ["/usr/bin/qemu-aarch64-static", "/usr/bin/qemu-aarch64", "/usr/libexec/qemu-binfmt/aarch64-binfmt-P"]:
        with scratch() as folder:
            root = root_with(context, folder, name)
            expect(context, root, ["/bin/foreign", "say"], ["aarch64: </bin/foreign> <say>"])


@case()
def translator_named(context):
    with scratch() as folder:
        # The name says nothing of qemu, so it gets what binfmt_misc gives without the flag P.
        root = root_with(context, folder, "/opt/translator")
        option = "--interp", "aarch64=/opt/translator"
        expect(context, root, ["/bin/foreign", "say"], ["aarch64: </bin/foreign> <say>"], *option)
        # It is still known after an exec, of a native program and of a foreign one.
        (root / "opt/translator").rename(root / "opt/qemu-other")
        option = "--interp", "aarch64=/opt/qemu-other"
        script = "cp /bin/foreign /tmp/other; chmod 755 /tmp/other; /tmp/other become /bin/foreign zero say; exit $?"
        expect(context, root, ["/bin/sh", "-c", script], ["aarch64: <zero> <say>"], *option)


@case()
def named_translator_is_missing(context):
    with scratch() as folder:
        root = root_with(context, folder)
        option = "--interp", "aarch64=/opt/nothing"
        result = context.run(context.under_vmrun(["/bin/foreign"], *option, sysroot=root))
        check(result.status == 127 and b"/opt/nothing" in result.stderr and result.stderr.count(b"\n") == 1,
              "not one sentence that names the translator", result.transcript())
        # It is not replaced by one that is found, whoever executes the program: a fork's child or a vfork's.
        expect(context, root, ["/bin/sh", "-c", "/bin/foreign 2>/dev/null; echo $?"], ["127"], *option, status=0)
        expect(context, root, ["/bin/sh", "-c", "echo say | xargs /bin/foreign 2>/dev/null; echo $?"], ["127"], *option,
               status=0)


@case()
def no_translator_at_all(context):
    with scratch() as folder:
        root = root_with(context, folder)
        hidden = f'for name in /usr/bin/qemu-aarch64*; do mount --bind /dev/null "$name"; done; exec "$@"'
        if os.geteuid() != 0:
            raise Skip("hiding the host's translator needs root")
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", hidden, "sh",
                   *context.under_vmrun(["/bin/foreign"], sysroot=root)]
        result = context.run(command)
        check(result.status == 126 and b"--interp aarch64=PATH" in result.stderr and result.stderr.count(b"\n") == 1,
              "not one sentence that says what helps", result.transcript())


@case()
def translated_programs_run_others(context):
    with scratch() as folder:
        root = root_with(context, folder)
        foreign = "/bin/foreign"
        # Foreign ones, native ones, and scripts that either interprets.
        expect(context, root, [foreign, "spawn", foreign, "zero", "say", "x"], ["aarch64: <zero> <say> <x>", "status 768"],
               status=0)
        expect(context, root, [foreign, "spawn", "/bin/sh", "sh", "-c", "echo native; exit 5"], ["native", "status 1280"],
               status=0)
        expect(context, root, [foreign, "become", foreign, "a", "become", foreign, "b", "say"], ["aarch64: <b> <say>"])
        script = root / "bin/script"
        script.write_text("#!/bin/foreign say\n")
        script.chmod(0o755)
        expect(context, root, ["/bin/script", "x"], ["aarch64: </bin/foreign> <say> </bin/script> <x>"])
        expect(context, root, [foreign, "become", "/bin/script", "zero", "x"],
               ["aarch64: </bin/foreign> <say> </bin/script> <x>"])
        expect(context, root, [foreign, "become", "/bin/nothing", "x"], ["errno 2"], status=1)


@case()
def foreign_without_translator_is_no_program(context):
    with scratch() as folder:
        root = root_with(context, folder)
        alien = root / "bin/alien"
        alien.write_bytes(elf.program(machine=elf.IA_64))
        alien.chmod(0o755)
        # ENOEXEC, to a native program and to a foreign one.
        expect(context, root, ["/bin/foreign", "become", "/bin/alien", "x"], ["errno 8"], status=1)
        result = context.run(context.under_vmrun(["/bin/alien"], sysroot=root))
        check(result.status == 126 and b"ia64" in result.stderr and result.stderr.count(b"\n") == 1,
              "not one sentence that names the machine", result.transcript())
