"""svm_tests.py [-k PATTERN] [--npt 0|1]...: vmrun on standard KVM, on an emulated AMD host.

The development machine's KVM may be of another flavour than the one most users have, so this boots a
small Linux in QEMU (TCG, with SVM), and runs the static fixtures in it, natively and under vmrun. See docs/testing.md.
"""

import functools
import os
import pathlib
import shutil
import sys

import emulated_host
from emulated_host import REPOSITORY
from emulated_debugger import debugged_jobs
from emulated_jobs import FixtureJobs, own_jobs, program_jobs
import cache
from emulated_kernel import amd64_kernel, module_files

#: In the order in which they are loaded.
MODULES = ["irqbypass", "ccp", "kvm", "kvm-amd"]

LOAD = """
for module in irqbypass ccp kvm; do insmod /modules/$module.ko; done
insmod /modules/kvm-amd.ko npt={npt}
echo "npt=$(cat /sys/module/kvm_amd/parameters/npt)"
"""

FIXTURES = FixtureJobs(
    variants={name: name for name in ["static-musl", "static-glibc", "bare"]}, machine="x86_64",
    beyond_the_emulator={
        "signals/faults": "no exception for unmasked SSE errors",
        "signals/fault_kinds": "no exception for unmasked SSE errors",
        "system/hot_function": "a protection fault where a processor has a stack fault",
    },
    left_out={
        "signals/kick": "no end natively with six signals instead of ten thousand, and nothing else runs meanwhile",
    })

#: QEMU 7.2 takes a guest's DR7 at VMRUN without looking at it.
DEBUGGED = functools.partial(debugged_jobs, has_debug_registers=False)


def arguments():
    parser = emulated_host.parser("Run the static fixtures on an emulated standard KVM host.")
    parser.add_argument("--npt", action="append", choices=["0", "1"],
                        help="nested paging off or on; by default the host boots once for each")
    parser.add_argument("--cpu", default="EPYC", help="QEMU's processor model")
    parser.add_argument("--vmrun", type=pathlib.Path, default=REPOSITORY / "build/vmrun", help="the binary to test")
    return parser.parse_args()


def host(options, npt):
    folder = amd64_kernel()
    busybox = shutil.which("busybox") or sys.exit("busybox is not installed: run 'make setup'.")
    return emulated_host.Host(
        name=f"npt{npt}", title=f"{options.cpu}, nested paging {'on' if npt == '1' else 'off'}",
        # One thread for all processors: QEMU's parallel ones have been seen to hang with a guest inside a guest.
        boot=functools.partial(emulated_host.boot_qemu, qemu=[
            "qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", options.cpu, "-smp", options.processors, "-m", "2G",
            "-serial", "file:{console}", "-serial", "file:{results}", "-serial", "unix:{debugger},server=on,wait=off"]),
        ports=["ttyS0", "ttyS1", "ttyS2"], command_line="console=ttyS0 panic=-1 quiet vsyscall=xonly",
        kernel=folder / "vmlinuz", busybox=pathlib.Path(busybox), files=module_files(MODULES), load=LOAD.format(npt=npt),
        doctor_says=[f"kind of KVM: SVM, {'nested' if npt == '1' else 'shadow'} paging", "system calls land in: ring 0"],
        compiler=["musl-gcc"], strip="strip")


def main():
    options = arguments()
    if not shutil.which("qemu-system-x86_64"):
        sys.exit("qemu-system-x86_64 is not installed: apt-get install qemu-system-x86")
    if not os.access(options.vmrun, os.X_OK):
        sys.exit(f"There is no {options.vmrun}: run 'make' first.")
    try:
        hosts = [host(options, npt) for npt in options.npt or ["1", "0"]]
    except cache.Unavailable as error:
        sys.exit(f"There is no kernel for the emulated host: {error}")

    def jobs(fixtures):
        return [*own_jobs(), *FIXTURES.make(fixtures, options.short), *DEBUGGED(fixtures, options.short),
                *program_jobs(options.program)]

    return emulated_host.run(hosts, jobs, options, REPOSITORY / "build/svm")


if __name__ == "__main__":
    sys.exit(main())
