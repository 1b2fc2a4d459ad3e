"""vmrun for a user who may open /dev/kvm and nothing else. (Fixtures marked `unprivileged` run so, too.)"""

import shutil

from harness.context import scratch
from harness.privilege import as_other_user
from harness.registry import case, check


def other_user(context, command, *options, sysroot):
    """Run a command under a copy of vmrun, for the tree may lie where the other user cannot reach it."""
    with scratch() as folder:
        shutil.copy(context.vmrun, folder / "vmrun")
        # The roots may, too; a busybox root is small.
        root = folder / "root"
        shutil.copytree(sysroot, root, symlinks=True)
        line = [str(folder / "vmrun"), "--sysroot", str(root), *options, *command]
        result = context.run(as_other_user(line, folder), cwd=folder)
        check(not result.timed_out, "timed out", result.transcript())
        check(not result.leaked, "left processes behind: " + "; ".join(result.leaked))
        return result


@case()
def a_shell(context):
    script = "id -u; id -g; for i in 1 2 3; do echo $i; done | wc -l; ls / | sort | head -1; cat /proc/self/comm"
    result = other_user(context, ["/bin/sh", "-c", script], sysroot=context.busybox)
    check(result.stdout == b"65534\n65534\n3\nbin\ncat\n", result.describe(), result.transcript())


@case()
def no_more_than_the_user_may(context):
    script = "echo x > /etc/passwd; rm /bin/busybox; mknod /tmp/n c 1 3; chown 0 /tmp; kill -0 1; echo mine > /tmp/f; cat /tmp/f"
    result = other_user(context, ["/bin/sh", "-c", script], sysroot=context.busybox)
    check(result.stdout == b"mine\n", result.describe(), result.transcript())
    check(len(result.stderr.splitlines()) >= 5, "something was allowed", result.transcript())


@case()
def doctor(context):
    with scratch() as folder:
        shutil.copy(context.vmrun, folder / "vmrun")
        result = context.run(as_other_user([str(folder / "vmrun"), "doctor"], folder), cwd=folder)
        check(result.status == 0, result.describe(), result.transcript())
