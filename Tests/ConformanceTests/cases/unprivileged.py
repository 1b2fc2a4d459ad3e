"""vmrun for a user who may open /dev/kvm and nothing else. (Fixtures marked `unprivileged` run so, too.)"""

import shutil

from harness.context import ENVIRONMENT, scratch
from harness.privilege import as_other_user, in_private_mounts
from harness.registry import case, check
from harness.terminal import terminal

#: Programs of each kind, with output that does not depend on who runs them. What the user may not read stays unread.
DEBIAN_SCRIPT = """
ls -R /usr/share/perl5 | sort | tail -n 3; find /etc -type f 2>/dev/null | wc -l; grep -c : /etc/passwd
sed -n 's/:.*//p' /etc/group | sort -r | head -n 2; awk -F: '{n += $3} END {print n}' /etc/passwd
tar cf - /usr/share/perl5 2>/dev/null | wc -c; dpkg -l | wc -l; perl -e 'print 6 * 7, "\\n"'
python3 -c 'import os, subprocess; print(os.getuid(), subprocess.run(["true"]).returncode)'
"""


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


def in_debian(context, folder, wrap):
    """As the other user, with the Debian root mounted where that user can reach it."""
    root = folder / "root"
    root.mkdir(exist_ok=True)
    return in_private_mounts(f"mount --bind {context.debian} {root}", as_other_user(wrap(root), folder))


@case()
def debian_programs(context):
    with scratch() as folder:
        shutil.copy(context.vmrun, folder / "vmrun")
        command = ["/bin/bash", "-c", DEBIAN_SCRIPT]
        guest = context.run(in_debian(context, folder, lambda root: [folder / "vmrun", "--sysroot", root, *command]),
                            cwd=folder)
        # chroot is the superuser's, so natively the order is the other way round.
        drop = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        native = context.run(context.natively([*drop, *command], context.debian))
        check(native.status == 0, native.describe(), native.transcript())
        check(guest.stdout == native.stdout, "not what it prints natively", native.transcript() + guest.transcript())
        check(guest.status == 0, guest.describe(), guest.transcript())


@case()
def a_terminal(context):
    with scratch() as folder:
        shutil.copy(context.vmrun, folder / "vmrun")
        shell = ["/bin/bash", "--norc", "--noprofile", "-i"]
        command = in_debian(context, folder, lambda root: [folder / "vmrun", "--sysroot", root, *shell])
        with terminal(list(map(str, command)), env={**ENVIRONMENT, "PS1": "prompt> ", "HISTFILE": ""}) as shown:
            shown.expect("prompt> ")
            shown.line("id -u; sleep 100")
            shown.expect(r"\n65534\n")
            shown.settle(True)
            shown.type("\x03")
            shown.expect("prompt> ")
            shown.line("echo status $?; stty size; exit 5")
            shown.expect(r"\nstatus 130\n")


@case()
def another_users_program_that_is_written(context):
    """ETXTBSY also for a file that one does not own, but may write."""
    script = "exec 3>>shared; ./shared; echo $?; exec 3>&-; ./shared; echo $?"

    def run(prefix):
        with scratch() as folder:
            shutil.copy(context.vmrun, folder / "vmrun")
            shutil.copy("/bin/true", folder / "shared")
            (folder / "shared").chmod(0o777)
            return context.run(as_other_user([*prefix(folder), "/bin/sh", "-c", script], folder), cwd=folder)

    native = run(lambda folder: [])
    check(native.stdout == b"126\n0\n", f"native: {native.describe()}", native.transcript())
    guest = run(lambda folder: [str(folder / "vmrun")])
    check(guest.stdout == native.stdout, guest.describe(), guest.transcript())
