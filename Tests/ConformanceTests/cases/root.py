"""`vmrun root`: making root directories, and saying what one lacks."""

import fcntl
import os
import pathlib
import shutil

from harness import elf
from harness.context import scratch
from harness.privilege import USER, as_other_user
from harness.registry import Skip, case, check

KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def checked(context, root, *programs):
    """Status and lines of root check."""
    result = context.guest([], "root", "check", str(root), *programs)
    check(not result.stderr, "something is on stderr", result.transcript())
    return result.status, result.stdout.decode().splitlines(), result


def lacks(context, root, name, advice, *programs):
    status, lines, result = checked(context, root, *programs)
    check(status == 1, result.describe(), result.transcript())
    check(any(line.startswith(name + " ") and advice in line for line in lines), f"no line about {name} with '{advice}'", result.transcript())


@case(needs_host=False)
def whole_root(context):
    status, lines, result = checked(context, context.root("debian"), "perl", "/usr/bin/python3", "cat", "dpkg", "ls")
    check(status == 0 and len(lines) == 1 and lines[0].endswith("nothing is missing"), result.describe(), result.transcript())


@case(needs_host=False)
def what_a_root_lacks(context):
    with scratch() as root:
        root.chmod(0o755)
        status, lines, result = checked(context, root)
        check(status == 1, result.describe(), result.transcript())
        names = [line.split()[0] for line in lines]
        check(names == ["/bin/sh", "/etc/passwd", "/etc/group", "/etc/resolv.conf", "/etc/hosts", "/tmp", "/dev", "/proc"],
              "not all that an empty directory lacks", result.transcript())

        for name in ["bin", "etc", "dev", "proc", "lib64", "lib"]:
            (root / name).mkdir()
        (root / "tmp").mkdir(mode=0o700)
        shutil.copy(context.fixture("memory/remap", "static-musl"), root / "bin/sh")
        for name, text in [("passwd", "nobody:x:1:1::/:/bin/sh\n"), ("group", "root:x:0:\n"), ("hosts", "127.0.0.1 localhost\n")]:
            (root / "etc" / name).write_text(text)
        # A link to nothing, as systemd-resolved's is.
        (root / "etc/resolv.conf").symlink_to("/run/systemd/resolve/stub-resolv.conf")
        lacks(context, root, "/tmp", "chmod 1777")
        lacks(context, root, "/etc/passwd", "root:x:0:0")
        lacks(context, root, "/etc/resolv.conf", "cp --remove-destination")
        (root / "tmp").chmod(0o1777)
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (root / "run/systemd/resolve").mkdir(parents=True)
        (root / "run/systemd/resolve/stub-resolv.conf").touch()
        status, lines, result = checked(context, root)
        check(status == 0, "something is still missing", result.transcript())

        lacks(context, root, "prog", "install", "prog")
        shutil.copy(context.fixture("memory/remap", "dynamic-glibc"), root / "bin/prog")
        lacks(context, root, "/bin/prog", "libc6", "prog")
        host = pathlib.Path("/lib64/ld-linux-x86-64.so.2")
        if host.exists():
            shutil.copy(host, root / "lib64")
            lacks(context, root, "/bin/prog", "install libc6", "/bin/prog")
            lacks(context, root, "/etc/nsswitch.conf", "passwd: files", "/bin/prog")
        (root / "bin/prog").chmod(0o644)
        lacks(context, root, "/bin/prog", "chmod 755", "/bin/prog")
        (root / "bin/script").write_text("#!/bin/other -x\n")
        (root / "bin/script").chmod(0o755)
        lacks(context, root, "/bin/other", "install", "script")
        (root / "bin/loop").symlink_to("loop")
        lacks(context, root, "/bin/loop", "install", "/bin/loop")
        (root / "bin/odd").write_bytes(elf.program(machine=elf.IA_64))
        (root / "bin/odd").chmod(0o755)
        lacks(context, root, "/bin/odd", "root for this machine", "odd")
        (root / "bin/short").write_bytes(elf.program()[:70])
        (root / "bin/short").chmod(0o755)
        checked(context, root, "short")


@case(needs_host=False)
def links_of_a_root_stay_in_it(context):
    with scratch() as root:
        (root / "bin").mkdir()
        (root / "bin/sh").symlink_to("../../../../../../bin/sh")
        lacks(context, root, "/bin/sh", "install a shell")


def refused(context, words, *mentions, runner=lambda command, folder: command, cwd="/"):
    result = context.run(runner([str(context.vmrun), "root", *map(str, words)], cwd), cwd=cwd, timeout=60)
    check(result.status == 125, result.describe(), result.transcript())
    lines = result.stderr.decode().splitlines()
    check(lines and not result.stdout, "no sentence on stderr alone", result.transcript())
    for mention in mentions:
        check(mention in lines[-1], f"the sentence does not mention '{mention}'", result.transcript())
    return lines


@case(needs_host=False)
def wrong_command_lines(context):
    refused(context, [], "root create or root check")
    refused(context, ["check"], "needs the directory")
    refused(context, ["check", "/nonexistent"], "/nonexistent does not exist", "root create")
    refused(context, ["check", "/etc/passwd"], "is no directory")
    refused(context, ["create"], "needs the directory")
    refused(context, ["create", "a", "b"], "a and b")
    refused(context, ["create", "/nonexistent/x", "--suite", "-x"], "release")
    refused(context, ["create", "/nonexistent/x", "--mirror", "here"], "http://")
    refused(context, ["create", "/nonexistent/x", "--arch", "pdp11"], "pdp11")
    refused(context, ["create", "/nonexistent/x", "--bind", "/"], "unknown option --bind")
    refused(context, ["create", "/etc"], "/etc is not empty", "root check")
    refused(context, ["create", "/etc/passwd"], "no directory")


@case(needs_host=False)
def without_a_network(context):
    if not KEYRING.is_file():
        raise Skip("debian-archive-keyring is not installed: 'make setup' installs it")
    with scratch() as folder:
        words = ["create", folder / "root", "--mirror", "http://127.0.0.1:9/debian"]
        refused(context, words, "http://127.0.0.1:9/debian", "--mirror", "root.log")
        check(not (folder / "root").exists() and (folder / "root.log").stat().st_size > 0, "it left something that looks complete, or no log")
        # As a killed try leaves it.
        (folder / "root.partial/left").mkdir(parents=True, exist_ok=True)
        lines = refused(context, words, "127.0.0.1:9")
        check(any("interrupted try" in line for line in lines), "it does not say that it starts over", str(lines))
        check(not (folder / "root.partial/left").exists(), "what was left is still there")

        partial = os.open(folder / "root.partial", os.O_RDONLY)
        fcntl.flock(partial, fcntl.LOCK_EX)
        refused(context, words, "another vmrun")
        os.close(partial)


@case()
def nowhere_to_make_it(context):
    refused(context, ["create", "/nonexistent/folder/root"], "does not exist")
    with scratch() as folder:
        for name in ["vmrun", "vmrun-root"]:
            shutil.copy(context.vmrun.with_name(name), folder / name)
        (folder / "closed").mkdir(mode=0o755)
        command = as_other_user([str(folder / "vmrun"), "root", "create", str(folder / "closed/root")], folder)
        result = context.run(command, cwd=folder)
        check(result.status == 125 and b"no permission" in result.stderr, f"user {USER} is not refused", result.transcript())
