"""--user and --fakeroot: who the guest is, and who it believes to be."""

import shutil

from harness.context import compare, scratch
from harness.privilege import as_other_user, in_private_mounts
from harness.registry import case, check

#: Archives keep the owners, modes and devices of what is in them.
TAR_SCRIPT = """
set -e
cd "$1"; umask 022; mkdir tree; cd tree
echo a > a; echo b > b; mkdir -m 2775 mail; mkdir -m 0 closed; ln -s a link; ln a hard; mknod null c 1 3; mknod disk b 8 1; mkfifo -m 600 fifo
echo in > closed/in; chown 33:33 a; chown 0:8 mail; chown -h 7:7 link; chmod 4755 b; chmod 0 closed/in
cd ..; tar --sort=name -cf first.tar tree; mkdir again; tar -xpf first.tar -C again --same-owner
tar --sort=name -C again -cf second.tar tree
tar --numeric-owner -tvf second.tar | sed 's/ [0-9-]* [0-9:]* / /'
find again -printf '%p %M %U:%G %y\\n' | sort; cp -a again/tree copy; stat -c '%n %u:%g %A %t,%T' copy/* | sort
cat copy/closed/in; rm -r tree again copy; ls
"""

#: A package with owners, a set-user-ID program and scripts, through its whole life.
DPKG_SCRIPT = """
set -e; export HOME=/nonexistent
cd "$1"; umask 022; mkdir -p package/DEBIAN package/usr/bin package/var/spool/vmrun-test package/etc
printf 'Package: vmrun-test\\nVersion: 1\\nArchitecture: all\\nMaintainer: Nobody <nobody@example.org>\\nDescription: test\\n' > package/DEBIAN/control
echo /etc/vmrun-test > package/DEBIAN/conffiles; echo setting > package/etc/vmrun-test
printf '#!/bin/sh\\necho "$0 $*" | sed "s,.*/,,"; id -u\\n' | tee package/DEBIAN/postinst package/DEBIAN/prerm > /dev/null
chmod 755 package/DEBIAN/postinst package/DEBIAN/prerm
echo program > package/usr/bin/vmrun-test; chown 1:2 package/usr/bin/vmrun-test; chmod 4755 package/usr/bin/vmrun-test
chown 8:8 package/var/spool/vmrun-test; chmod 2770 package/var/spool/vmrun-test
dpkg-deb -b package test.deb | sed 's/ in .*//'; dpkg-deb -c test.deb | sed 's/ 2[0-9-]* [0-9:]* / /'
mkdir -p root/var/lib/dpkg/updates root/var/lib/dpkg/info; : > root/var/lib/dpkg/status
dpkg --root=root --log=/dev/null --force-script-chrootless -i test.deb 2>&1 | grep -v '^(Reading'
dpkg --root=root -l vmrun-test | tail -n 1 | tr -s ' '; dpkg --root=root -V
stat -c '%n %u:%g %A' root/usr/bin/vmrun-test root/var/spool/vmrun-test root/etc/vmrun-test
dpkg --root=root --log=/dev/null --force-script-chrootless -P vmrun-test 2>&1 | grep -v '^(Reading'; find root/usr root/etc root/var/spool
"""


def fake_root(context, folder, command, *options):
    """The command line that runs a command with --fakeroot as a user without any rights."""
    shutil.copy(context.vmrun, folder / "vmrun")
    return as_other_user([str(folder / "vmrun"), "--fakeroot", *options, *map(str, command)], folder)


def fixture_case(variant):
    @case(f"fakeroot-{variant}")
    def run(context):
        def outcome(wrap):
            with scratch() as folder:
                shutil.copy(context.fixture("identity/fakeroot", variant), folder / "fixture")
                work = folder / "work"
                work.mkdir()
                work.chmod(0o777)
                return context.run(wrap(folder, [folder / "fixture"]), cwd=folder, env={"TMPDIR": str(work)}, timeout=60)

        native = outcome(lambda folder, command: list(map(str, command)))
        check(native.status == 0, f"native: {native.describe()}", native.transcript())
        guest = outcome(lambda folder, command: fake_root(context, folder, command))
        check(guest.status == 0, f"vmrun: {guest.describe()}", guest.transcript())
        check(not guest.leaked, "left processes behind")
        compare(native.stdout.decode(), guest.stdout.decode())


for variant in ["static-musl", "static-glibc", "dynamic-glibc"]:
    fixture_case(variant)


def same_as_root(context, script):
    """A script in the Debian root: natively as root, under vmrun as somebody else with --fakeroot."""
    def folder_with_root(folder):
        for name in ["root", "work"]:
            (folder / name).mkdir()
        (folder / "work").chmod(0o777)
        return folder / "root"

    with scratch() as folder:
        root = folder_with_root(folder)
        mounts = f"mount --bind {context.debian} {root}; mount --bind {folder}/work {root}/mnt"
        native = context.run(in_private_mounts(
            mounts, context.natively(["/bin/bash", "-c", script, "script", "/mnt"], root)), timeout=60)
        check(native.status == 0, f"native: {native.describe()}", native.transcript())
    with scratch() as folder:
        root = folder_with_root(folder)
        command = fake_root(context, folder, ["/bin/bash", "-c", script, "script", "/mnt"],
                            "--sysroot", str(root), "--bind", f"{folder}/work:/mnt")
        guest = context.run(in_private_mounts(f"mount --bind {context.debian} {root}", command), cwd=folder, timeout=120)
        check(guest.status == 0, f"vmrun: {guest.describe()}", guest.transcript())
        compare(native.stdout.decode(), guest.stdout.decode())


@case()
def tar_for_everybody(context):
    same_as_root(context, TAR_SCRIPT)


@case()
def dpkg_for_everybody(context):
    same_as_root(context, DPKG_SCRIPT)


@case()
def what_the_host_sees(context):
    """No set-user-ID program and no other owner comes into being on the host."""
    with scratch() as folder:
        work = folder / "work"
        work.mkdir()
        work.chmod(0o777)
        script = f"cd {work}; echo x > f; chown 5:6 f; chmod 6755 f; mkdir -m 2700 d; mknod n c 1 3; stat -c '%u:%g %a' f d; id -u"
        result = context.run(fake_root(context, folder, ["/bin/sh", "-c", script]), cwd=folder)
        check(result.stdout == b"5:6 6755\n0:0 2700\n0\n", result.describe(), result.transcript())
        for name in ["f", "d", "n"]:
            status = (work / name).stat()
            check(status.st_uid == 65534 and status.st_mode & 0o6000 == 0, f"{name}: {status}")
        check((work / "n").is_file(), "the device is one on the host, too")


@case()
def a_user_by_name_and_number(context):
    script = "id -u; id -g; id -G; cat /proc/self/status | grep -E 'Uid|Gid|CapEff'; echo x > /tmp/f; stat -c '%u:%g' /tmp/f; rm /tmp/f"
    for user, expected in [("nobody", (65534, 65534)), ("1234:5678", (1234, 5678)), ("daemon:mail", (1, 8)), ("0", (0, 0))]:
        drop = ["setpriv", "--reuid", str(expected[0]), "--regid", str(expected[1])]
        drop += ["--init-groups"] if not ":" in user else ["--groups", str(expected[1])]
        if user == "daemon:mail":
            drop = ["setpriv", "--reuid", "1", "--regid", "8", "--groups", "8"]
        native = context.run(context.natively([*drop, "/bin/sh", "-c", script], context.debian))
        check(native.status == 0, f"native: {native.describe()}", native.transcript())
        guest = context.guest(["/bin/sh", "-c", script], "--user", user, sysroot=context.debian)
        check(guest.status == 0, f"{user}: {guest.describe()}", guest.transcript())
        compare(native.stdout.decode(), guest.stdout.decode())


@case()
def a_user_without_rights_makes_processes(context):
    script = "for i in 1 2 3; do (id -u) | cat; done; exec /bin/sh -c 'id -u; ls /proc/self/fd | wc -l; head -c 3 /dev/zero | wc -c'"
    native = context.run(context.natively(["setpriv", "--reuid", "7", "--regid", "7", "--clear-groups", "/bin/sh", "-c", script],
                                          context.debian))
    guest = context.guest(["/bin/sh", "-c", script], "--user", "7:7", sysroot=context.debian)
    check(guest.status == 0, guest.describe(), guest.transcript())
    compare(native.stdout.decode(), guest.stdout.decode())


@case()
def who_the_user_may_be(context):
    for options, sentence in [
        (["--user", "nosuchuser"], "knows no such user"),
        (["--user", "root:nosuchgroup"], "knows no group"),
        (["--user", "4321"], "tells no group"),
        (["--user", ":5"], "has an empty part"),
        (["--user", "5:"], "has an empty part"),
        (["--user", "99999999999"], "knows no such user"),
    ]:
        result = context.guest(["/bin/true"], *options, sysroot=context.busybox)
        check(result.status == 125, f"{options}: {result.describe()}", result.transcript())
        check(sentence in result.stderr.decode(), f"{options}: no clear sentence", result.transcript())
    with scratch() as folder:
        shutil.copy(context.vmrun, folder / "vmrun")
        for options, status, output in [
            (["--user", "0:0"], 125, ""), (["--user", "65534:65534"], 0, "65534\n"),
            (["--user", "12:13", "--fakeroot"], 0, "12\n"), (["--fakeroot"], 0, "0\n"),
        ]:
            command = as_other_user([str(folder / "vmrun"), *options, "/usr/bin/id", "-u"], folder)
            result = context.run(command, cwd=folder)
            check(result.status == status and result.stdout.decode() == output, f"{options}: {result.describe()}",
                  result.transcript())
            check(status == 0 or "needs root's rights" in result.stderr.decode(), "no clear sentence", result.transcript())
