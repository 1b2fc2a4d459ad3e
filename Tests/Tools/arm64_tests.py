"""arm64_tests.py [-k PATTERN] [--cpu MODEL]...: vmrun on arm64, on emulated hosts.

Boots a small arm64 Linux in QEMU (TCG, with EL2) on several kinds of processors, and runs the fixtures that are
built for arm64 in it, natively and under vmrun. See docs/testing.md.
"""

import dataclasses
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import emulated_host
import cache
from arm64_packages import kernel, translator, unpacked
from emulated_host import REPOSITORY
from emulated_jobs import FixtureJobs, Job, own_jobs, program_jobs


@dataclasses.dataclass
class Processor:
    """One of QEMU's."""
    #: As the doctor calls it. The kernel starts at EL2 and stays there with VHE, and leaves KVM alone there without.
    kind: str
    more: str = ""
    #: Which tests run on it, and which with --short; all where none is named.
    only: list = dataclasses.field(default_factory=list)
    short: list = dataclasses.field(default_factory=list)


#: By the names of QEMU's models. The last one has vectors of up to 2048 bits.
PROCESSORS = {
    "cortex-a76": Processor("VHE"),
    "cortex-a57": Processor("no VHE"),
    "max,pauth-impdef=on,sme=off": Processor(
        "VHE", " with scalable vectors and pointer authentication",
        only=["doctor", "busybox/*", "translated/*", "arm64/*", "cpu/*", "signals/*", "memory/*", "process/exec.*",
              "process/fork.*", "process/vfork.*", "process/wait.*", "threads/ends.*", "threads/pthreads.*", "program/*"],
        short=["arm64/*"]),
}

FIXTURES = FixtureJobs(
    # Dynamic are those fixtures that are built in every way.
    variants={"static-glibc": "aarch64-static", "static-pie": "aarch64-dynamic", "aarch64-static": "aarch64-static"},
    machine="arm64", beyond_the_emulator={},
    left_out={"process/many_vforks": "ten thousand vCPUs take an emulated processor too long"},
    long={"process/storm", "signals/faults_everywhere"})

#: What dynamic programs need: {path: (package, path in it)}.
LIBRARIES = {
    "lib/ld-linux-aarch64.so.1": ("libc6", "lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"),
    "lib/aarch64-linux-gnu/libc.so.6": ("libc6", "lib/aarch64-linux-gnu/libc.so.6"),
    "lib/aarch64-linux-gnu/libm.so.6": ("libc6", "lib/aarch64-linux-gnu/libm.so.6"),
    "lib/aarch64-linux-gnu/libgcc_s.so.1": ("libgcc-s1", "lib/aarch64-linux-gnu/libgcc_s.so.1"),
}

#: What box64 and its libraries are, in a root of their own: they are of a later Debian.
BOX64_ROOT = "box64"
BOX64 = {
    "usr/bin/box64": ("box64", "usr/bin/box64"),
    "lib/ld-linux-aarch64.so.1": ("libc6", "usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"),
    "lib/aarch64-linux-gnu/libc.so.6": ("libc6", "usr/lib/aarch64-linux-gnu/libc.so.6"),
    "lib/aarch64-linux-gnu/libm.so.6": ("libc6", "usr/lib/aarch64-linux-gnu/libm.so.6"),
    "lib/aarch64-linux-gnu/libresolv.so.2": ("libc6", "usr/lib/aarch64-linux-gnu/libresolv.so.2"),
}


def arguments():
    parser = emulated_host.parser("Run the fixtures on emulated arm64 hosts.")
    parser.add_argument("--cpu", action="append", help=f"QEMU's processor model; by default {', then '.join(PROCESSORS)}")
    parser.add_argument("--kernel", type=pathlib.Path, help="another kernel than Debian's, with KVM built in")
    parser.add_argument("--vmrun", type=pathlib.Path, default=REPOSITORY / "build/vmrun-aarch64", help="the binary to test")
    return parser.parse_args()


def host(options, cpu):
    busybox = unpacked("busybox-static")
    processor = PROCESSORS.get(cpu, Processor("with or without VHE"))
    return emulated_host.Host(
        name=cpu.partition(",")[0], title=f"{cpu}: {processor.kind}{processor.more}",
        only=processor.short if options.short else processor.only,
        boot=functools.partial(emulated_host.boot_qemu, qemu=[
            "qemu-system-aarch64", "-machine", "virt,virtualization=on,gic-version=3", "-accel", "tcg,thread=single",
            "-cpu", cpu, "-smp", options.processors, "-m", "2G", "-serial", "file:{console}",
            "-chardev", "file,id=results,path={results}", "-device", "pci-serial,chardev=results"]),
        ports=["ttyAMA0", "ttyS0"], command_line="console=ttyAMA0 panic=-1 quiet",
        kernel=options.kernel or kernel(), busybox=busybox / "bin/busybox", files=files(),
        load="dmesg | grep -o 'kvm.*mode initialized.*'\n",
        doctor_says=[f"kind of KVM: arm64, {processor.kind}"] if cpu in PROCESSORS else [],
        compiler=["aarch64-linux-gnu-gcc"], strip="aarch64-linux-gnu-strip")


def files():
    """What the hosts have beside busybox and vmrun."""
    content = {name: (unpacked(package) / path).read_bytes() for name, (package, path) in LIBRARIES.items()}
    content.update({f"{BOX64_ROOT}/{name}": (translator(package) / path).read_bytes() for name, (package, path) in BOX64.items()})
    content["bin/qemu-x86_64-static"] = (unpacked("qemu-user-static") / "usr/bin/qemu-x86_64-static").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "program"
        # box64 puts libraries of its own in the place of a program's, and loads no other loader.
        for name, compiler in [("programs/x86_64", ["musl-gcc", "-static"]), (f"{BOX64_ROOT}/programs/x86_64", ["gcc"])]:
            subprocess.run([*compiler, "-s", "-x", "c", "-", "-o", str(program)], input=FOREIGN.encode(), check=True)
            content[name] = program.read_bytes()
    return content


#: A program for x86-64, which starts another one.
FOREIGN = """
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    if (count == 1) {
        int status = 1;
        if (fork() == 0) execl(arguments[0], arguments[0], "again", (char *)0);
        wait(&status);
        printf("status %d\\n", WEXITSTATUS(status));
        return 0;
    }
    printf("%s, translated\\n", arguments[1]);
    fflush(stdout);
    return 7;
}
"""


def foreign_jobs():
    said = ["again, translated", "status 7"]
    yield Job("translated/x86_64", ["vmrun", "/programs/x86_64"], contains=said)
    yield Job("translated/x86_64-by-box64", ["vmrun", "--sysroot", f"/{BOX64_ROOT}", "/programs/x86_64"], contains=said)


def under_qemu_user(vmrun):
    """Run what needs no KVM, on this machine: how vmrun takes its command line. How many tests passed and failed."""
    print("--- qemu-user: the command line", flush=True)
    with tempfile.TemporaryDirectory(prefix="vmrun-emulated-") as folder:
        script, counts = pathlib.Path(folder) / "vmrun", pathlib.Path(folder) / "counts"
        script.write_text(f'#!/bin/sh\nexec {shutil.which("qemu-aarch64-static")} {vmrun.resolve()} "$@"\n')
        for path in [script, script.parent]:
            path.chmod(0o755)
        subprocess.run([sys.executable, str(REPOSITORY / "Tests/ConformanceTests/run.py"), "--command-line-only",
                        "--vmrun", str(script), "--counts", str(counts)], stdin=subprocess.DEVNULL)
        result = json.loads(counts.read_text())
    return result["passed"], result["failed"]


def main():
    options = arguments()
    for program, package in [("qemu-system-aarch64", "qemu-system-arm"), ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
                             ("qemu-aarch64-static", "qemu-user-static")]:
        if not shutil.which(program):
            sys.exit(f"{program} is not installed: apt-get install {package}")
    if not os.access(options.vmrun, os.X_OK):
        sys.exit(f"There is no {options.vmrun}: run 'make aarch64' first.")
    try:
        hosts = [host(options, cpu) for cpu in options.cpu or PROCESSORS]
    except cache.Unavailable as error:
        sys.exit(f"There is no emulated host: {error}")

    def jobs(fixtures):
        return [*own_jobs(), *foreign_jobs(), *FIXTURES.make(fixtures, options.short), *program_jobs(options.program)]

    before = (0, 0) if options.k or options.program else under_qemu_user(options.vmrun)
    return emulated_host.run(hosts, jobs, options, REPOSITORY / "build/arm64", before)


if __name__ == "__main__":
    sys.exit(main())
