"""arm64_tests.py [-k PATTERN] [--cpu MODEL]...: vmrun on arm64, on emulated hosts.

Boots a small arm64 Linux in QEMU (TCG, with EL2) on a processor with VHE and on one without, and runs the fixtures that are
built for arm64 in it, natively and under vmrun. See docs/testing.md.
"""

import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import emulated_host
import cache
from arm64_packages import kernel, unpacked
from emulated_host import REPOSITORY
from emulated_jobs import FixtureJobs, Job, own_jobs, program_jobs

#: The kernel starts at EL2 and stays there on the first, and leaves KVM alone there on the second.
PROCESSORS = {"cortex-a76": "VHE", "cortex-a57": "no VHE"}

FIXTURES = FixtureJobs(
    # Dynamic are those fixtures that are built in every way.
    variants={"static-glibc": "aarch64-static", "static-pie": "aarch64-dynamic", "aarch64-static": "aarch64-static"},
    machine="arm64", beyond_the_emulator={},
    endless={"process/many_vforks": "ten thousand vCPUs take an emulated processor too long"})

#: What dynamic programs need: {path: (package, path in it)}.
LIBRARIES = {
    "lib/ld-linux-aarch64.so.1": ("libc6", "lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"),
    "lib/aarch64-linux-gnu/libc.so.6": ("libc6", "lib/aarch64-linux-gnu/libc.so.6"),
    "lib/aarch64-linux-gnu/libm.so.6": ("libc6", "lib/aarch64-linux-gnu/libm.so.6"),
    "lib/aarch64-linux-gnu/libgcc_s.so.1": ("libgcc-s1", "lib/aarch64-linux-gnu/libgcc_s.so.1"),
}


def arguments():
    parser = emulated_host.parser("Run the fixtures on emulated arm64 hosts.")
    parser.add_argument("--cpu", action="append", help=f"QEMU's processor model; by default {', then '.join(PROCESSORS)}")
    parser.add_argument("--kernel", type=pathlib.Path, help="another kernel than Debian's, with KVM built in")
    parser.add_argument("--vmrun", type=pathlib.Path, default=REPOSITORY / "build/vmrun-aarch64", help="the binary to test")
    return parser.parse_args()


def host(options, cpu):
    busybox = unpacked("busybox-static")
    return emulated_host.Host(
        name=cpu.partition(",")[0], title=f"{cpu}, {PROCESSORS.get(cpu, 'with or without VHE')}",
        boot=functools.partial(emulated_host.boot_qemu, qemu=[
            "qemu-system-aarch64", "-machine", "virt,virtualization=on,gic-version=3", "-accel", "tcg,thread=single",
            "-cpu", cpu, "-smp", options.processors, "-m", "2G", "-serial", "file:{console}",
            "-chardev", "file,id=results,path={results}", "-device", "pci-serial,chardev=results"]),
        ports=["ttyAMA0", "ttyS0"], command_line="console=ttyAMA0 panic=-1 quiet",
        kernel=options.kernel or kernel(), busybox=busybox / "bin/busybox", files=files(),
        load="dmesg | grep -o 'kvm.*mode initialized.*'\n",
        doctor_says=[f"kind of KVM: arm64, {PROCESSORS[cpu]}"] if cpu in PROCESSORS else [], compiler=["aarch64-linux-gnu-gcc"], strip="aarch64-linux-gnu-strip")


def files():
    """What the hosts have beside busybox and vmrun."""
    content = {name: (unpacked(package) / path).read_bytes() for name, (package, path) in LIBRARIES.items()}
    content["bin/qemu-x86_64-static"] = (unpacked("qemu-user-static") / "usr/bin/qemu-x86_64-static").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "program"
        subprocess.run(["musl-gcc", "-static", "-s", "-x", "c", "-", "-o", str(program)], input=FOREIGN.encode(), check=True)
        content["programs/x86_64"] = program.read_bytes()
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
    yield Job("translated/x86_64", ["vmrun", "/programs/x86_64"], contains=["again, translated", "status 7"])


def main():
    options = arguments()
    for program, package in [("qemu-system-aarch64", "qemu-system-arm"), ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")]:
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

    return emulated_host.run(hosts, jobs, options, REPOSITORY / "build/arm64")


if __name__ == "__main__":
    sys.exit(main())
