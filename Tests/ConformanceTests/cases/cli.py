"""The command line: its options, and one clear sentence for each thing that can be wrong with it."""

import os
import platform
import re

from harness import elf
from harness.context import scratch
from harness.privilege import as_other_user, in_private_mounts
from harness.registry import Skip, case, check

USAGE, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127


def complaint(context, command, status, mention, **arguments):
    """vmrun must end with this status and say one sentence, which mentions what is wrong."""
    result = context.run(command, **arguments)
    check(not result.timed_out, "vmrun: timed out", result.transcript())
    allowed = status if isinstance(status, tuple) else (status,)
    check(result.status in allowed, f"{result.describe()} instead of {' or '.join(map(str, allowed))}",
          result.transcript())
    lines = result.stderr.decode(errors="replace").splitlines()
    check(len(lines) == 1, f"{len(lines)} lines on stderr instead of one sentence", result.transcript())
    check(not result.stdout, "something was printed on stdout", result.transcript())
    check(mention.lower() in lines[0].lower(), f"the sentence does not mention '{mention}'", lines[0])
    check(len(lines[0].split()) >= 4, "that is no sentence", lines[0])
    for word in ["fatal error", "precondition", "unexpectedly", "HostError", "Errno("]:
        check(word.lower() not in lines[0].lower(), "the sentence is the program's own, not the user's", lines[0])


def usage_case(name, mention, *arguments, needs_host=False):
    @case(name, needs_host=needs_host)
    def run(context):
        complaint(context, [str(context.vmrun), *arguments], USAGE, mention)


def host_case(name, mention, *arguments):
    """vmrun has looked at the host, and perhaps started again with another layout, when it finds the mistake."""
    usage_case(name, mention, *arguments, needs_host=True)


usage_case("no-program", "program")
usage_case("unknown-option", "--no-such-option", "--no-such-option", "/bin/true")
usage_case("unknown-short-option", "-Z", "-Z", "/bin/true")
usage_case("sysroot-without-value", "--sysroot", "--sysroot")
usage_case("timeout-without-value", "--timeout", "--timeout")
usage_case("bind-without-value", "--bind", "--bind")
usage_case("env-without-value", "--env", "--env")
usage_case("negative-timeout", "timeout", "--timeout", "-1", "/bin/true")
usage_case("fractional-timeout", "timeout", "--timeout", "1.5", "/bin/true")
usage_case("timeout-in-words", "timeout", "--timeout", "soon", "/bin/true")
usage_case("empty-timeout", "timeout", "--timeout", "", "/bin/true")
usage_case("absurd-timeout", "timeout", "--timeout", "99999999999999999999999", "/bin/true")
usage_case("negative-process-limit", "max-processes", "--max-processes", "-1", "/bin/true")
usage_case("process-limit-in-words", "max-processes", "--max-processes", "few", "/bin/true")
usage_case("process-limit-without-value", "--max-processes", "--max-processes")
usage_case("interp-without-value", "--interp", "--interp")
usage_case("interp-without-machine", "MACHINE=GUESTPATH", "--interp", "/usr/bin/qemu", "/bin/true")
host_case("interp-for-no-machine", "z80", "--interp", "z80=/usr/bin/qemu", "/bin/true")
host_case("interp-for-this-machine", "x86_64", "--interp", "x86_64=/usr/bin/qemu", "/bin/true")
usage_case("interp-by-relative-path", "absolute", "--interp", "arm=qemu", "/bin/true")
host_case("missing-sysroot", "/nonexistent/root", "--sysroot", "/nonexistent/root", "/bin/true")
host_case("sysroot-is-a-file", "/etc/passwd", "--sysroot", "/etc/passwd", "/bin/true")
host_case("missing-bind", "/nonexistent/host", "--bind", "/nonexistent/host:/mnt", "/bin/true")
host_case("missing-workdir", "/nonexistent/directory", "--workdir", "/nonexistent/directory", "/bin/true")


@case()
def unreadable_sysroot(context):
    if os.geteuid() != 0:
        raise Skip("needs another user")
    with scratch() as folder:
        (folder / "root").mkdir(mode=0o700)
        command = as_other_user([copied(context, folder), "--sysroot", str(folder / "root"), "/bin/true"], folder)
        # It can be named but not searched: the program is not found, or the root is refused.
        complaint(context, command, (USAGE, NOT_EXECUTABLE, NOT_FOUND), str(folder / "root"))


def copied(context, folder):
    """vmrun, where another user can reach it."""
    target = folder / "vmrun"
    target.write_bytes(context.vmrun.read_bytes())
    target.chmod(0o755)
    return str(target)


def program_case(name, status, mention, make):
    """make(path) creates a file that cannot be run; vmrun must say so."""
    @case(name)
    def run(context):
        with scratch() as folder:
            path = folder / "program"
            make(path)
            complaint(context, context.under_vmrun([path]), status, mention)


def write(path, content, mode=0o755):
    path.write_bytes(content)
    path.chmod(mode)


@case()
def missing_program(context):
    complaint(context, context.under_vmrun(["/nonexistent/program"]), NOT_FOUND, "/nonexistent/program")


@case()
def program_not_in_path(context):
    complaint(context, context.under_vmrun(["no-such-program-anywhere"]), NOT_FOUND, "no-such-program-anywhere")


@case()
def missing_program_in_sysroot(context):
    complaint(context, context.under_vmrun(["/no/such/program"], sysroot=context.busybox), NOT_FOUND,
              "/no/such/program")


program_case("program-is-a-directory", NOT_EXECUTABLE, "program", lambda path: path.mkdir())
program_case("program-without-permission", NOT_EXECUTABLE, "program",
             lambda path: write(path, elf.program(), mode=0o644))
program_case("not-an-elf", NOT_EXECUTABLE, "program", lambda path: write(path, b"\x01\x02\x03\x04 no program at all"))
program_case("empty-program", NOT_EXECUTABLE, "program", lambda path: write(path, b""))
# One that no translator is ever found for.
program_case("wrong-machine", NOT_EXECUTABLE, "ia64", lambda path: write(path, elf.program(machine=elf.IA_64)))
program_case("thirty-two-bit", NOT_EXECUTABLE, "32-bit", lambda path: write(path, elf.program(elf_class=1)))
program_case("not-an-executable-type", NOT_EXECUTABLE, "program", lambda path: write(path, elf.program(kind=1)))
program_case("truncated-header", NOT_EXECUTABLE, "program", lambda path: write(path, elf.program()[:40]))
program_case("truncated-program-headers", NOT_EXECUTABLE, "program", lambda path: write(path, elf.program()[:100]))
program_case("truncated-segment", NOT_EXECUTABLE, "program",
             lambda path: write(path, elf.program(segments=[elf.load(offset=0x100000, size=0x1000)])))
program_case("overlapping-segments", NOT_EXECUTABLE, "program",
             lambda path: write(path, elf.program(segments=[elf.load(), elf.load(address=0x400100)])))
program_case("segment-in-the-kernels-half", NOT_EXECUTABLE, "program",
             lambda path: write(path, elf.program(segments=[elf.load(address=0xffff_8000_0000_0000)])))
program_case("segment-that-wraps", NOT_EXECUTABLE, "program",
             lambda path: write(path, elf.program(segments=[elf.load(memory=0xffff_ffff_ffff_f000)])))
program_case("segment-larger-in-the-file", NOT_EXECUTABLE, "program",
             lambda path: write(path, elf.program(segments=[elf.load(memory=8)])))
program_case("segment-at-zero", NOT_EXECUTABLE, "program",
             lambda path: write(path, elf.program(segments=[elf.load(address=0)])))
program_case("segment-out-of-step", NOT_EXECUTABLE, "program",
             lambda path: write(path, elf.program(segments=[elf.load(address=0x400123)])))
program_case("no-segments", NOT_EXECUTABLE, "program", lambda path: write(path, elf.program(segments=[])))
program_case("missing-interpreter", (NOT_EXECUTABLE, NOT_FOUND), "/nonexistent/loader",
             lambda path: write(path, elf.program(interpreter=b"/nonexistent/loader")))
program_case("script-without-interpreter", (NOT_EXECUTABLE, NOT_FOUND), "/nonexistent/interpreter",
             lambda path: write(path, b"#!/nonexistent/interpreter\n"))


@case()
def crooked_elf_files_never_crash(context):
    """Every byte of the headers of a good program, turned: vmrun may run it or refuse it, not more."""
    good = elf.program()
    with scratch() as folder:
        path = folder / "program"
        for at in range(16, 64 + 56):
            for value in (0x00, 0xff, good[at] ^ 0x40):
                write(path, good[:at] + bytes([value]) + good[at + 1:])
                result = context.run(context.under_vmrun([path], "--timeout", "2"), timeout=20)
                check(not result.timed_out, f"byte {at} = {value:#x}: timed out", result.transcript())
                # The program exits with 7; a changed address may make it fault.
                fine = result.status in (7, 124, NOT_EXECUTABLE, NOT_FOUND, -4, -5, -7, -8, -11)
                check(fine, f"byte {at} = {value:#x}: {result.describe()}", result.transcript())
                if result.status in (NOT_EXECUTABLE, NOT_FOUND):
                    lines = result.stderr.splitlines()
                    check(len(lines) == 1, f"byte {at} = {value:#x}: not one sentence", result.transcript())


@case()
def the_smallest_program(context):
    """What the cases above break runs when it is whole."""
    with scratch() as folder:
        write(folder / "program", elf.program())
        result = context.guest([folder / "program"])
        check(result.status == 7, result.describe(), result.transcript())


@case()
def no_kvm_device(context):
    command = in_private_mounts("mount -t tmpfs none /dev", context.under_vmrun(["/bin/true"]))
    complaint(context, command, USAGE, "/dev/kvm")


@case()
def kvm_is_something_else(context):
    command = in_private_mounts("mount --bind /dev/null /dev/kvm", context.under_vmrun(["/bin/true"]))
    complaint(context, command, USAGE, "/dev/kvm")


@case()
def kvm_without_permission(context):
    if os.geteuid() != 0:
        raise Skip("needs another user")
    with scratch() as folder:
        node = folder / "kvm"
        setup = (f"mkdir {node}; mount -t tmpfs -o dev none {node}; mknod -m 600 {node}/kvm c 10 232; "
                 f"mount --bind {node}/kvm /dev/kvm")
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set=-all",
                   "--inh-caps=-all", copied(context, folder), "/bin/true"]
        complaint(context, in_private_mounts(setup, command), USAGE, "permission")


@case(needs_host=False)
def version(context):
    result = context.guest([], "--version")
    check(result.status == 0 and not result.stderr, result.describe(), result.transcript())
    check(re.fullmatch(rb"vmrun \d+\.\d+(\.\d+)?\n", result.stdout), "not 'vmrun' and a number", result.transcript())


@case(needs_host=False)
def help_names_every_option(context):
    result = context.guest([], "--help")
    check(result.status == 0 and not result.stderr, result.describe(), result.transcript())
    for option in ["--sysroot", "--bind", "--host-fallback", "--timeout", "--max-processes", "--env", "--clear-env", "--workdir",
                   "--version", "--help", "doctor"]:
        check(option.encode() in result.stdout, f"{option} is not explained", result.transcript())


# Options that change what the program gets

def prints(context, expected, command, *options, **arguments):
    result = context.guest(command, *options, sysroot=context.busybox, **arguments)
    check(result.status == 0, result.describe(), result.transcript())
    check(result.stdout.decode() == expected, f"not {expected!r}", result.transcript())


@case()
def options_end_at_the_program(context):
    prints(context, "--version --sysroot x\n", ["/bin/echo", "--version", "--sysroot", "x"])
    prints(context, "after\n", ["--", "/bin/echo", "after"])


@case()
def option_with_equals_sign(context):
    result = context.guest(["/bin/echo", "equal"], f"--sysroot={context.busybox}", "--timeout=0")
    check(result.stdout == b"equal\n", result.describe(), result.transcript())


@case()
def program_is_looked_up_in_the_guests_path(context):
    prints(context, "found\n", ["echo", "found"])
    # argv[0] stays as it was given.
    prints(context, "sh\n", ["sh", "-c", "echo $0"])
    result = context.run(context.under_vmrun(["echo"], "--env", "PATH=/nowhere", sysroot=context.busybox))
    check(result.status == NOT_FOUND, result.describe(), result.transcript())


@case()
def environment_is_passed_on(context):
    prints(context, "value\n", ["sh", "-c", "echo $ONE"], env={"ONE": "value"})


@case()
def environment_is_changed(context):
    prints(context, "new two=2\n", ["sh", "-c", "echo $ONE $TWO"], "--env", "ONE=new", "--env", "TWO=two=2",
           env={"ONE": "old"})


@case()
def environment_is_cleared(context):
    prints(context, "A=1\n", ["/usr/bin/env"], "--clear-env", "--env", "A=1", env={"ONE": "value"})


@case()
def workdir(context):
    prints(context, "/usr/bin\n", ["/bin/pwd"], "--workdir", "/usr/bin")
    prints(context, "/\n", ["/bin/pwd"], cwd="/tmp")


@case()
def working_directory_without_sysroot(context):
    with scratch() as folder:
        result = context.guest(["/bin/pwd", "-P"], cwd=folder)
        check(result.stdout.decode() == f"{folder}\n", "not the host's working directory", result.transcript())


@case()
def input_and_output_are_the_hosts(context):
    prints(context, "in\n", ["cat"], stdin=b"in\n")
    result = context.guest(["sh", "-c", "echo err >&2"], sysroot=context.busybox)
    check(result.stderr == b"err\n" and not result.stdout, "not on stderr", result.transcript())


@case()
def descriptors_are_inherited(context):
    import tempfile
    with tempfile.TemporaryFile() as file:
        file.write(b"through seven\n")
        file.seek(0)
        command = ["bash", "-c", f'exec "$@" 7<&{file.fileno()} {file.fileno()}<&-', "sh",
                   *context.under_vmrun(["sh", "-c", "cat <&7"], sysroot=context.busybox)]
        result = context.run(command, pass_fds=[file.fileno()])
        check(result.stdout == b"through seven\n", result.describe(), result.transcript())


@case()
def limited_file_size(context):
    """Nothing that vmrun writes for itself is the guest's doing: no file may grow, and yet it starts, and /proc is there."""
    # Through a pipe, since the limit counts for the file that takes a test's output, too.
    script = '(ulimit -S -f 0; exec "$@") 2>&1 | cat'
    command = ["sh", "-c", script, "sh", *context.under_vmrun(["sh", "-c", "cat /proc/self/comm; ulimit -f; exec true"])]
    result = context.run(command)
    check(result.status == 0 and result.stdout == b"cat\n0\n", "not what a native shell says", result.transcript())


@case()
def hot_calls_are_rewritten(context):
    if platform.machine() != "x86_64":
        raise Skip("only x86-64 has anything to rewrite")
    programs = [[context.fixture(f"system/{name}", "static-glibc"), "its place"] for name in ("hot_calls", "hot_function")]
    # Where `syscall` is cheap it stays.
    doctor = context.run([str(context.vmrun), "doctor"]).stdout
    usual = "changed" if re.search(rb"system calls land in: *ring 3", doctor) else "as it was"
    for options, expected in [([], usual), (["--no-patch"], "as it was"), (["--no-fast-syscalls"], "as it was")]:
        for program in programs:
            result = context.guest(program, *options)
            check(result.stdout.decode() == f"its place: {expected}\n", f"not {expected} with {options}", result.transcript())
