"""--sysroot, --bind and --host-fallback: what can be named, and that nothing else can."""

import os
import shutil
import socket
import subprocess

from harness.context import scratch
from harness.registry import case, check


def copy_of_busybox(context, folder):
    """A busybox root of the test's own. Hard links would share what a test changes; a copy is 2 MB."""
    root = folder / "root"
    shutil.copytree(context.busybox, root, symlinks=True)
    return root


def escape_case(variant):
    @case(f"no-escape-{variant}", needs_vmrun=False)
    def run(context):
        with scratch() as folder:
            root = copy_of_busybox(context, folder)
            secret = folder / "secret"
            secret.write_text("secret")
            shutil.copy(context.fixture("sysroot/escape", variant), root / "bin/escape")
            # No /proc natively: for chroot and the superuser that is a way out. For vmrun it must not be one.
            result = context.same_as_native(["/bin/escape", secret, root], sysroot=root, mounts=False,
                                            timeout=60)
            check(result.stdout.endswith(b"found nothing\n"), "the fixture did not come to its end")
            check(secret.read_text() == "secret", "the secret was changed")
            check(secret.stat().st_nlink == 1, "the secret was linked to")


escape_case("static-musl")
escape_case("static-glibc")


@case()
def a_socket_outside_cannot_be_reached(context):
    with scratch() as folder:
        root = copy_of_busybox(context, folder)
        path = folder / "socket"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(5)
        shutil.copy(context.fixture("sysroot/escape"), root / "bin/escape")
        result = context.guest(["/bin/escape", path, root], sysroot=root, timeout=60)
        check(result.status == 0, result.describe(), result.transcript())
        listener.close()


@case(needs_vmrun=False)
def absolute_links_stay_inside(context):
    with scratch() as folder:
        root = copy_of_busybox(context, folder)
        (root / "etc/inside").write_text("inside\n")
        (root / "tmp/link").symlink_to("/etc/inside")
        (root / "tmp/up").symlink_to("../../../../../etc/inside")
        (root / "tmp/dir").symlink_to("/etc")
        (root / "tmp/chain").symlink_to("dir/../tmp/link")
        script = "cat /tmp/link /tmp/up /tmp/dir/inside /tmp/chain; readlink -f /tmp/chain; cd /tmp/dir; pwd -P; ls -l /tmp | wc -l"
        context.same_as_native(["/bin/sh", "-c", script], sysroot=root)


@case(needs_vmrun=False)
def files_are_made_inside(context):
    for run_native in [True, False]:
        if context.native_only and not run_native:
            continue
        with scratch() as folder:
            root = copy_of_busybox(context, folder)
            script = ("mkdir /new; echo content > /new/file; ln -s /new/file /new/link; echo more >> /new/link;"
                      "ln /new/file /hard; mv /new/file /moved; mkfifo /fifo; touch /../../above; chmod 600 /hard;"
                      "rm /new/link; cd /new; echo here > relative")
            command = ["/bin/sh", "-c", script]
            result = context.run(context.natively(command, root) if run_native
                                 else context.under_vmrun(command, sysroot=root))
            check(result.status == 0, result.describe(), result.transcript())
            for name in ["new/relative", "hard", "moved", "fifo", "above"]:
                check((root / name).exists(), f"/{name} is not inside of the root")
            check((root / "moved").read_text() == "content\nmore\n", "other content")
            check((root / "hard").stat().st_mode & 0o777 == 0o600, "other permissions")
            check(sorted(os.listdir(folder)) == ["root"], "something was made outside")


@case()
def a_sysroot_by_a_relative_path_and_through_a_link(context):
    with scratch() as folder:
        (folder / "link").symlink_to(context.busybox)
        for root in ["link", "./link/", "../" * 5 + str(folder)[1:] + "/link"]:
            result = context.guest(["/bin/cat", "/etc/hostname"], sysroot=root, cwd=folder)
            check(result.stdout == b"busybox\n", f"{root}: {result.describe()}", result.transcript())


@case()
def the_root_has_no_parent(context):
    script = "cd /; cd ..; pwd; ls -di / /.. /../.. | awk '{print $1}' | uniq | wc -l; ls / | sort | head -3"
    result = context.guest(["/bin/sh", "-c", script], sysroot=context.busybox)
    check(result.stdout == b"/\n1\nbin\ndev\netc\n", "other output", result.transcript())


@case()
def the_hosts_files_are_not_there(context):
    script = "ls /usr/bin/python3 /etc/debian_version /root/.cache /etc/apt 2>/dev/null; test ! -e /etc/debian_version"
    result = context.guest(["/bin/sh", "-c", script], sysroot=context.busybox)
    check(result.status == 0 and not result.stdout, result.describe(), result.transcript())


@case()
def no_device_of_the_hosts_can_be_made(context):
    """The fixture files/device_nodes makes those that every /dev has."""
    with scratch() as folder:
        root = copy_of_busybox(context, folder)
        script = ("for device in 'b 7 0' 'b 1 0' 'c 1 1' 'c 1 2' 'c 1 4' 'c 10 232' 'c 4 0' 'c 5 3' 'b 1 3' 'c 1 259'; do\n"
                  "mknod /tmp/device $device && echo made $device; done; mknod /tmp/pipe p && ls /tmp")
        result = context.guest(["/bin/sh", "-c", script], sysroot=root)
        check(result.stdout == b"pipe\n", result.describe(), result.transcript())
        check(result.stderr.count(b"Operation not permitted") == 10, "not all were refused", result.transcript())


@case(needs_vmrun=False)
def the_view_outlives_the_right_to_open_it(context):
    """As under chroot(2): who drops privileges and executes keeps the root, the binds and the working directory."""
    with scratch() as folder:
        folder.chmod(0o700)
        root = copy_of_busybox(context, folder)
        (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nother:x:65534:65534::/:/bin/sh\n")
        (root / "inner/bin").mkdir(parents=True)
        shutil.copy(root / "bin/busybox", root / "inner/bin/sh")
        (root / "mnt/bound").mkdir()
        outside = folder / "outside"
        outside.mkdir()
        for place in [outside, root / "mnt/bound"]:
            (place / "file").write_text("bound\n")
        script = ('cd /tmp; su other -c "id -u; pwd; cat /mnt/bound/file; sh -c pwd; ls -d /../etc /tmp/../bin; (cd ..; pwd)"\n'
                  'chroot /inner /bin/sh -c "echo /bin/*"')
        context.same_as_native(["/bin/sh", "-c", script], "--bind", f"{outside}:/mnt/bound", sysroot=root)


# --bind

def bound(context, *arguments):
    return context.guest(*arguments, sysroot=context.busybox)


@case()
def a_bind_shows_a_host_directory(context):
    with scratch() as folder:
        (folder / "file").write_text("from the host\n")
        result = bound(context, ["cat", "/mnt/file"], "--bind", f"{folder}:/mnt")
        check(result.stdout == b"from the host\n", result.describe(), result.transcript())
        # Without a place of its own: the same path.
        result = bound(context, ["cat", f"{folder}/file"], "--bind", str(folder))
        check(result.stdout == b"from the host\n", result.describe(), result.transcript())


@case()
def a_bind_can_be_written_to(context):
    with scratch() as folder:
        script = "echo new > /mnt/file; mkdir /mnt/sub; cd /mnt/sub; pwd; cd ..; pwd; cd ..; pwd"
        result = bound(context, ["sh", "-c", script], "--bind", f"{folder}:/mnt")
        check(result.stdout == b"/mnt/sub\n/mnt\n/\n", result.describe(), result.transcript())
        check((folder / "file").read_text() == "new\n", "the file was not written")


@case()
def a_bind_can_be_read_only(context):
    with scratch() as folder:
        (folder / "file").write_text("constant\n")
        script = ("cat /mnt/file; echo x > /mnt/file; echo x > /mnt/new; rm /mnt/file; mkdir /mnt/d; chmod 777 /mnt/file;"
                  "mv /mnt/file /mnt/other; ln -s x /mnt/l; touch /mnt/file; echo x > /tmp/../mnt/file; cat /mnt/file")
        result = bound(context, ["sh", "-c", script], "--bind", f"{folder}:/mnt:ro")
        check(result.stdout == b"constant\nconstant\n", "other output", result.transcript())
        check(result.stderr.count(b"Read-only file system") >= 7, "something was not refused", result.transcript())
        check(sorted(os.listdir(folder)) == ["file"], "something was changed")


@case()
def a_bind_of_one_file(context):
    with scratch() as folder:
        (folder / "hosts").write_text("one file\n")
        result = bound(context, ["cat", "/etc/hosts"], "--bind", f"{folder}/hosts:/etc/hosts")
        check(result.stdout == b"one file\n", result.describe(), result.transcript())


@case()
def a_bind_is_no_way_out(context):
    with scratch() as folder:
        (folder / "shared").mkdir()
        (folder / "secret").write_text("secret")
        (folder / "shared/link").symlink_to("../secret")
        (folder / "shared/absolute").symlink_to(folder / "secret")
        script = "cat /mnt/link /mnt/absolute /mnt/../secret /mnt/../../secret; cd /mnt; cat ../secret; pwd; cd ..; ls secret"
        result = bound(context, ["sh", "-c", script], "--bind", f"{folder}/shared:/mnt")
        check(b"secret" not in result.stdout and result.stdout == b"/mnt\n", "found outside", result.transcript())


@case()
def host_fallback(context):
    with scratch() as folder:
        (folder / "file").write_text("from the host\n")
        command = ["sh", "-c", f"cat {folder}/file /etc/hostname"]
        result = bound(context, command, "--host-fallback")
        check(result.stdout == b"from the host\nbusybox\n", result.describe(), result.transcript())
        result = bound(context, command)
        check(result.stdout == b"busybox\n" and result.status != 0, "the host's file without asking",
              result.transcript())


# What a root is for

@case()
def a_pipeline_and_a_loop(context):
    script = "uname -s; ls -l / | wc -l > /dev/null; for i in 1 2 3; do echo $i; done | wc -l"
    result = bound(context, ["/bin/sh", "-c", script])
    check(result.stdout.split() == [b"Linux", b"3"] and result.status == 0, result.describe(), result.transcript())


@case()
def make_run(context):
    """The command that the README shows."""
    script = "uname -s; ls / | wc -l > /dev/null; for i in 1 2 3; do echo $i; done | wc -l"
    vmrun_is_the_built_one = context.vmrun == context.repository / "build/vmrun"
    check(vmrun_is_the_built_one, "only build/vmrun can be run by make")
    result = subprocess.run(["make", "-o", "build/vmrun", "run", f"CMD={script}"], cwd=context.repository,
                            stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    check(result.stdout == b"Linux\n3\n" and result.returncode == 0, f"make ended with {result.returncode}",
          (result.stdout + result.stderr).decode(errors="replace"))


@case()
def read_only_root(context):
    with scratch() as folder:
        root, work = folder / "root", folder / "work"
        work.mkdir()
        context.run(["cp", "-a", str(context.busybox), str(root)])
        (root / "file").write_text("kept")
        (root / "work").mkdir()
        script = """
            try() { "$@" 2> /work/error && echo "$1 worked"; grep -c 'Read-only file system' /work/error; }
            sh -c 'echo x > /new' 2> /work/error; grep -c 'Read-only' /work/error
            sh -c 'echo x >> /file' 2> /work/error; grep -c 'Read-only' /work/error
            try rm /file; try mv /file /moved; try mkdir /folder; try chmod 600 /file; try ln -s x /link; try ln /file /work/link
            try truncate -s 0 /file; try touch /file; try rmdir /work
            mkdir /work/x && mv /work/x /work/y && echo x > /work/z && cat /file /work/z
            grep -c ' / ro,' /proc/self/mountinfo; echo > /dev/null"""
        result = context.guest(["sh", "-c", script], "--bind", f"{work}:/work", "--read-only", sysroot=root)
        text = result.stdout.decode()
        check(text.startswith("1\n1\n1\n1\n1\n1\n1\n"), "something could be changed", result.transcript())
        check("worked" not in text, "something could be changed", result.transcript())
        check(text.endswith("keptx\n1\n"), "the bind is read-only, too, or mountinfo says otherwise", result.transcript())
        check(sorted(path.name for path in work.iterdir()) == ["error", "y", "z"], "the bind has something else", str(list(work.iterdir())))
        check((root / "file").read_text() == "kept" and not (root / "new").exists(), "the root was changed", str(list(root.iterdir())))
