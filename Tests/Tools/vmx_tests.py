"""vmx_tests.py [-k PATTERN] [--ept 0|1]...: vmrun on standard KVM, on an emulated Intel host.

As svm_tests.py, but with VMX, which Bochs emulates. It takes ten times as long as QEMU, so without -k and --all only the
selection runs that `make test` has on other hosts. See docs/testing.md.
"""

import functools
import os
import pathlib
import shutil
import sys

import emulated_bochs
import emulated_host
from emulated_debugger import debugged_jobs
from emulated_host import REPOSITORY
from emulated_jobs import FixtureJobs, own_jobs, program_jobs
import cache
from emulated_kernel import amd64_kernel, module_files

#: In the order in which they are loaded.
MODULES = ["irqbypass", "kvm", "kvm-intel"]

LOAD = """
for module in irqbypass kvm; do insmod /modules/$module.ko; done
insmod /modules/kvm-intel.ko ept={ept}
echo "ept=$(cat /sys/module/kvm_intel/parameters/ept)"
"""

FIXTURES = FixtureJobs(
    variants={name: name for name in ["static-musl", "static-glibc", "bare"]}, machine="x86_64",
    beyond_the_emulator={},
    left_out={
        "signals/context_edges": "Bochs traps behind a SYSCALL that has cleared the trap flag, in ring 0 and on the user's stack",
        "signals/frames": "without XSAVEC Linux sets MXCSR too when it restores a frame without XSAVE's magic; vmrun leaves it",
    })


def arguments():
    parser = emulated_host.parser("Run static fixtures on an emulated Intel host with standard KVM.")
    parser.add_argument("--ept", action="append", choices=["0", "1"],
                        help="nested paging off or on; by default the host boots once for each")
    parser.add_argument("--all", action="store_true", help="all fixtures, not only the selection that 'make test' has")
    parser.add_argument("--cpu", default="corei7_haswell_4770", help="Bochs's processor model")
    parser.add_argument("--vmrun", type=pathlib.Path, default=REPOSITORY / "build/vmrun", help="the binary to test")
    parser.set_defaults(seconds=3600)
    return parser.parse_args()


def host(options, ept):
    folder = amd64_kernel()
    busybox = shutil.which("busybox") or sys.exit("busybox is not installed: run 'make setup'.")
    return emulated_host.Host(
        name=f"ept{ept}", title=f"{options.cpu}, nested paging {'on' if ept == '1' else 'off'}",
        boot=functools.partial(emulated_bochs.boot, processor=options.cpu),
        # What the kernel does about processors' bugs would take most of the time.
        ports=["ttyS0", "ttyS1", "ttyS2"], command_line="console=ttyS0 panic=-1 quiet vsyscall=xonly tsc=reliable mitigations=off",
        kernel=folder / "vmlinuz", busybox=pathlib.Path(busybox), files=module_files(MODULES), load=LOAD.format(ept=ept),
        doctor_says=[f"kind of KVM: VMX, {'nested' if ept == '1' else 'shadow'} paging", "system calls land in: ring 0"],
        compiler=["musl-gcc"], strip="strip")


def main():
    options = arguments()
    missing = emulated_bochs.missing_packages()
    if missing:
        sys.exit(f"Bochs, or what makes its disc, is not installed: apt-get install {' '.join(missing)}")
    if not os.access(options.vmrun, os.X_OK):
        sys.exit(f"There is no {options.vmrun}: run 'make' first.")
    try:
        hosts = [host(options, ept) for ept in options.ept or ["1", "0"]]
    except cache.Unavailable as error:
        sys.exit(f"There is no kernel for the emulated host: {error}")

    def jobs(fixtures):
        short = options.short or not (options.all or options.k)
        return [*own_jobs(), *FIXTURES.make(fixtures, short), *debugged_jobs(fixtures, short, steps=False),
                *program_jobs(options.program)]

    return emulated_host.run(hosts, jobs, options, REPOSITORY / "build/vmx")


if __name__ == "__main__":
    sys.exit(main())
