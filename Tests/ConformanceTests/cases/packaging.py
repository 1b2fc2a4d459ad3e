"""What is made of the option table for people and shells, and what is installed."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

from harness.context import scratch
from harness.registry import Skip, case, check


def tool(name, package=None):
    """A program that only these tests need."""
    path = shutil.which(name)
    if not path:
        raise Skip(f"{name} is not installed: 'make test' installs {package or name}")
    return path


def made(context, name):
    path = context.repository / "build/command-docs" / name
    check(path.is_file(), f"there is no {path}: 'make command-docs' makes it")
    return path


def options(context):
    """Every option and command that --help lists, and the values of --net."""
    text = context.guest([], "--help").stdout.decode()
    found = re.findall(r"^ +(--[a-z-]+)", text, re.MULTILINE)
    check(len(found) > 15 and len(found) == len(set(found)), "--help lists other things", text)
    return found


def quiet(context, command, **arguments):
    result = context.run(command, **arguments)
    check(result.status == 0 and not result.stdout and not result.stderr, f"{command[0]} complains", result.transcript())


@case(needs_vmrun=True)
def manual_page(context):
    page = made(context, "vmrun.1")
    quiet(context, [tool("mandoc"), "-Tlint", "-W", "warning", str(page)])
    rendered = context.run([tool("man", "man-db"), "--warnings", "-l", str(page)], env={"MANWIDTH": "200", "LC_ALL": "C.UTF-8"})
    check(rendered.status == 0 and not rendered.stderr, "man has warnings", rendered.transcript())
    text = rendered.stdout.decode().replace("\u2010", "-")
    for name in options(context):
        check(re.search(rf"^ +{name}( |\[|$)", text, re.MULTILINE), f"{name} is not in the manual page", text)
    for title in ["SYNOPSIS", "DESCRIPTION", "COMMANDS", "EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO"]:
        check(f"\n{title}\n" in text, f"the manual page has no section {title}", text)


def in_bash(context, line, folder="/"):
    """What bash offers at the end of this command line."""
    script = """
        source "$1"; COMP_LINE=$2; COMP_POINT=${#2}
        read -ra COMP_WORDS <<< "$2"; COMP_CWORD=${#COMP_WORDS[@]}
        _vmrun; printf '%s\\n' "${COMPREPLY[@]}" """
    result = context.run(["bash", "--norc", "-c", script, "bash", str(made(context, "vmrun.bash")), line], cwd=folder)
    check(result.status == 0 and not result.stderr, "the completion fails", result.transcript())
    return result.stdout.decode().split()


@case()
def completion_in_bash(context):
    quiet(context, ["bash", "-n", str(made(context, "vmrun.bash"))])
    listed = set(in_bash(context, "vmrun --"))
    check("--sysroot" in listed, "no options are offered", str(listed))
    commands = set(in_bash(context, "vmrun root create --") + in_bash(context, "vmrun oci run --"))
    missing = set(options(context)) - listed - commands
    check(not missing, "options are not offered", str(missing))
    check(in_bash(context, "vmrun --net=") == ["host", "none"], "not the values of --net", str(in_bash(context, "vmrun --net=")))
    check(in_bash(context, "vmrun --sysroot / --net n") == ["none"], "not the value that begins so")
    check("doctor" in in_bash(context, "vmrun doct"), "commands are not offered")
    with scratch() as folder:
        (folder / "bin").mkdir()
        (folder / "bin/program").touch()
        offered = in_bash(context, f"vmrun --sysroot {folder} /bin/pro")
        check(offered == ["/bin/program"], "programs are not looked for in the root", str(offered))
        offered = in_bash(context, "vmrun --bind b", folder)
        check(offered == ["bin"], "no files are offered for --bind", str(offered))
    check(in_bash(context, "vmrun oci de") == ["delete"], "the runtime's commands are not offered")
    check(in_bash(context, "vmrun root ch") == ["check"], "not the words that follow")
    check("--sysroot" not in in_bash(context, "vmrun true --sys"), "the program's options are taken for vmrun's")


@case()
def completion_in_fish(context):
    fish, script = tool("fish"), str(made(context, "vmrun.fish"))
    with scratch() as folder:
        def offered(line):
            result = context.run([fish, "--no-config", "-c", f"source {script}; complete -C '{line}'"],
                                 env={"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)})
            check(result.status == 0 and not result.stderr, "the completion fails", result.transcript())
            return [text.split("\t")[0] for text in result.stdout.decode().splitlines()]

        listed = set(offered("vmrun --") + offered("vmrun root create --") + offered("vmrun oci run --"))
        missing = set(options(context)) - listed
        check(not missing, "options are not offered", str(missing))
        check(offered("vmrun --net ") == ["host", "none"], "not the values of --net", str(offered("vmrun --net ")))
        check("doctor" in offered("vmrun doct"), "commands are not offered")
        check("--sysroot" not in offered("vmrun true --sys"), "the program's options are taken for vmrun's")


def typed(command, keys, folder, until, seconds=20):
    """Type keys into a command on a terminal; what it shows until the pattern is found."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ.update(HOME=str(folder), ZDOTDIR=str(folder), TERM="dumb", LC_ALL="C")
        os.execv(command[0], command)
    shown, sent, end = b"", False, time.monotonic() + seconds
    try:
        while time.monotonic() < end and not (sent and re.search(until, shown)):
            if select.select([terminal], [], [], 0.2)[0]:
                shown += os.read(terminal, 4096)
            if not sent and b"READY" in shown:
                os.write(terminal, keys)
                sent = True
    except OSError:
        pass
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(terminal)
    return shown.decode(errors="replace")


@case()
def completion_in_zsh(context):
    zsh, script = tool("zsh"), made(context, "_vmrun")
    quiet(context, [zsh, "-n", str(script)])
    for name in options(context):
        check(f"{name}[" in script.read_text() or f"{name}=[" in script.read_text(), f"{name} is not in the completion")
    with scratch() as folder:
        (folder / ".zshrc").write_text(
            f"fpath=({script.parent} $fpath)\nautoload -Uz compinit\ncompinit -u -D\nunsetopt beep\nPS1='READY> '\n")
        for keys, expected in [(b"vmrun --sysr\t", rb"--sysroot="), (b"vmrun --net=n\t", rb"--net=none"), (b"vmrun doct\t", rb"vmrun doctor")]:
            shown = typed([zsh, "-i"], keys, folder, expected)
            check(re.search(expected.decode(), shown), f"{keys} is not completed", shown)


@case()
def install_and_uninstall(context):
    made(context, "vmrun.1")
    with scratch() as folder:
        make = ["make", "-s", "-C", str(context.repository), f"DESTDIR={folder}", "PREFIX=/usr"]
        quiet(context, [*make, "install"])
        installed = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        for name in ["usr/bin/vmrun", "usr/bin/vmrun-oci", "usr/bin/vmrun-root", "usr/share/man/man1/vmrun.1", "usr/share/bash-completion/completions/vmrun",
                     "usr/share/zsh/site-functions/_vmrun", "usr/share/fish/vendor_completions.d/vmrun.fish",
                     "usr/share/doc/vmrun/README.md", "usr/share/doc/vmrun/LICENSE", "usr/share/doc/vmrun/docs/syscalls.md"]:
            check(name in installed, f"{name} is not installed", str(sorted(installed)))
        quiet(context, [*make, "uninstall"])
        left = [str(path) for path in folder.rglob("*") if not path.is_dir()]
        check(not left and not (folder / "usr/share/doc/vmrun").exists(), "something is left behind", str(left))


@case()
def debian_package(context):
    made(context, "vmrun.1")
    script = context.repository / "docs/packaging/build_deb.sh"
    version = context.guest([], "--version").stdout.decode().split()[1]
    with scratch() as folder:
        subprocess.run([script, folder], check=True, capture_output=True)
        [package] = folder.glob("*.deb")
        check(package.name.startswith(f"vmrun_{version}_"), "another version than the program's", package.name)
        root = folder / "root"
        database = root / "var/lib/dpkg"
        for name in ["info", "updates", "triggers"]:
            (database / name).mkdir(parents=True)
        for name in ["status", "available"]:
            (database / name).touch()
        log = folder / "log"
        privileges = [] if os.geteuid() == 0 else ["--force-not-root"]
        result = context.run(["dpkg", f"--root={root}", f"--log={log}", *privileges, "--install", str(package)])
        check(result.status == 0, "dpkg does not install it", result.transcript())
        result = context.run([str(root / "usr/bin/vmrun"), "/bin/true"])
        check(result.status == 0, "what is installed does not run", result.transcript())
        quiet(context, ["dpkg", f"--root={root}", f"--log={log}", *privileges, "--verify", "vmrun"])
        lint = context.run([tool("lintian"), "--allow-root", "--fail-on", "error,warning", str(package)], timeout=120,
                           env={"TMPDIR": str(folder), "HOME": str(folder)})
        check(lint.status == 0, "lintian has complaints", lint.transcript())
