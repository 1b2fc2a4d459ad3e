"""Run real programs in a Debian root natively and under vmrun, and compare what they print (`make test-programs`).

The root is the one that programs_root.py makes; each check is a script in programs/. Natively it runs under chroot. Both runs
have the same directories: /check, empty and writable, and /programs. The ratio is that of the wall-clock times.
"""

import argparse
import contextlib
import dataclasses
import difflib
import pathlib
import re
import shutil
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = pathlib.Path(__file__).resolve().parent / "programs"
sys.path.insert(0, str(ROOT / "Tests/ConformanceTests"))

from harness import process  # noqa: E402
from harness.context import Context  # noqa: E402
from harness.privilege import as_other_user, in_private_mounts  # noqa: E402

USER = "65534"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/check", "TMPDIR": "/check",
               "LC_ALL": "C.UTF-8", "TERM": "xterm", "DEBIAN_FRONTEND": "noninteractive", "LOGNAME": "tester"}


@dataclasses.dataclass
class Check:
    script: str
    #: Prints the version, as the first number with a dot.
    version: str
    #: Who runs it: root; dropped, the same after setuid(2) in the guest; user, vmrun itself run by another user.
    users: tuple = ("root",)
    #: For the native run. vmrun gets several times as much.
    timeout: int = 120


CHECKS = [
    Check("tools", "tar --version", ("root", "user")),
    Check("apt", "apt-get --version"),
    Check("git", "git --version", ("root", "dropped")),
    Check("sqlite3", "sqlite3 --version", ("root", "user")),
    Check("vim", "vim.tiny --version", ("root", "user")),
    Check("zlib", "gcc --version"),
    Check("lua", "make --version", ("user",)),
    Check("perl", "perl --version"),
    Check("python", "python3 --version", ("root", "user")),
    Check("go", "go version", ("root", "user")),
    Check("node", "node --version", ("root", "user")),
    Check("java", "java --version", ("root", "user")),
    Check("runtimes", "sbcl --version", ("root", "user")),
    Check("redis", "redis-server --version", ("root", "user")),
    Check("nginx", "nginx -v 2>&1", ("root", "user")),
    Check("postgres", "/usr/lib/postgresql/*/bin/postgres --version", ("dropped", "user")),
    Check("services", "/usr/sbin/sshd -V 2>&1"),
    Check("debootstrap", "debootstrap --version", timeout=600),
]


@dataclasses.dataclass
class Outcome:
    result: process.Result
    seconds: float

    @property
    def text(self):
        return self.result.stdout.decode(errors="replace")


class Bench:
    """Runs scripts in the root, natively and under vmrun."""

    def __init__(self, vmrun, root):
        self.vmrun = vmrun
        self.root = root
        self.context = Context(ROOT, vmrun, None, [], False)

    @contextlib.contextmanager
    def directory(self, user):
        """What both runs see as /check."""
        with tempfile.TemporaryDirectory(prefix="vmrun-", dir="/tmp") as name:
            path = pathlib.Path(name)
            path.chmod(0o755)
            inside = path / "check"
            inside.mkdir()
            if user != "root":
                shutil.chown(inside, int(USER), int(USER))
            yield path

    def natively(self, command, user, timeout):
        with self.directory(user) as folder:
            # The first one because a program's / is a mount, as under vmrun.
            pairs = [(self.root, self.root), (HERE, f"{self.root}/programs"), (f"{folder}/check", f"{self.root}/check")]
            setup = "\n".join(f"mount --bind {what} {where}" for what, where in pairs)
            return self.timed(in_private_mounts(setup, self.context.natively(dropped(command, user != "root"), self.root)), timeout)

    def under_vmrun(self, command, user, timeout):
        with self.directory(user) as folder:
            def line(vmrun, root, programs):
                return [str(vmrun), "--sysroot", str(root), "--timeout", "0", "--bind", f"{folder}/check:/check",
                        "--bind", f"{programs}:/programs:ro", *dropped(command, user == "dropped")]
            if user != "user":
                return self.timed(line(self.vmrun, self.root, HERE), timeout)
            # The tree and the root may lie where the other user cannot reach them.
            shutil.copy(self.vmrun, folder / "vmrun")
            for name in ["root", "programs"]:
                (folder / name).mkdir()
            mounts = f"mount --bind {self.root} {folder}/root\nmount --bind {HERE} {folder}/programs"
            inner = line(folder / "vmrun", folder / "root", folder / "programs")
            return self.timed(in_private_mounts(mounts, as_other_user(inner, folder)), timeout)

    @staticmethod
    def timed(command, timeout):
        started = time.monotonic()
        result = process.run(command, env=ENVIRONMENT, cwd="/", timeout=timeout)
        return Outcome(result, time.monotonic() - started)

    def version(self, check):
        text = self.natively(["sh", "-c", check.version], "root", 30).text
        found = re.search(r"\d+(\.\w+)+", text)
        return found[0] if found else "?"


def dropped(command, drops):
    prefix = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"] if drops else []
    return [*prefix, "sh", "-c", 'cd /check && exec "$@"', "sh", *command]


def complaint(native, guest):
    """What is wrong, or nothing."""
    for name, outcome in [("natively", native), ("under vmrun", guest)]:
        result = outcome.result
        if result.timed_out or result.status != 0:
            return f"{name}: {result.describe()}\n{result.transcript()}"
        if result.leaked:
            return f"{name}: left processes behind: {'; '.join(result.leaked)}"
    if native.text != guest.text:
        return "\n".join(difflib.unified_diff(native.text.splitlines(), guest.text.splitlines(), "native", "vmrun", lineterm="", n=1))
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vmrun", default=str(ROOT / "build/vmrun"))
    parser.add_argument("--root", default=str(ROOT / "build/roots/debian-programs"))
    parser.add_argument("-k", dest="patterns", action="append", default=[], help="only checks whose name contains this")
    parser.add_argument("--native-only", action="store_true", help="only the scripts themselves")
    parser.add_argument("--table", action="store_true", help="print rows for docs/compatibility.md")
    options = parser.parse_args()
    process.become_subreaper()
    bench = Bench(pathlib.Path(options.vmrun).resolve(), pathlib.Path(options.root).resolve())
    passed = failed = 0
    for check in CHECKS:
        for user in check.users:
            name = f"{check.script}/{user}"
            if options.patterns and not any(pattern in name for pattern in options.patterns):
                continue
            command = ["bash", f"/programs/{check.script}.sh"]
            native = bench.natively(command, user, check.timeout)
            guest = native if options.native_only else bench.under_vmrun(command, user, check.timeout * 6)
            problem = complaint(native, guest)
            passed += not problem
            failed += bool(problem)
            times = f"native {native.seconds:.1f} s, vmrun {guest.seconds:.1f} s, {guest.seconds / native.seconds:.1f} times"
            print(f"{'FAIL' if problem else 'PASS'} {name}: {times}" + (f"\n{problem}" if problem else ""), flush=True)
            if options.table:
                print(f"| {check.script} | {bench.version(check)} | {user} | {'failed' if problem else 'the same'} "
                      f"| {native.seconds:.1f} s | {guest.seconds:.1f} s | {guest.seconds / native.seconds:.1f} |", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
