"""`vmrun oci` and vmrun-oci: bundles, the command line of OCI runtimes, and podman with it."""

import array
import contextlib
import copy
import json
import os
import shutil
import socket
import subprocess
import time

from harness.context import ENVIRONMENT, scratch
from harness.privilege import USER, as_other_user
from harness.registry import Skip, case, check

#: What engines ask for by default, as far as it is the same everywhere.
CONFIGURATION = {
    "ociVersion": "1.0.2",
    "process": {
        "user": {"uid": 0, "gid": 0},
        "args": ["true"],
        "env": ["PATH=/bin:/usr/bin", "FOO=bar baz"],
        "cwd": "/",
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 200, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
                    {"type": "RLIMIT_AS", "soft": 18446744073709551615, "hard": 18446744073709551615}],
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs"},
    "hostname": "inside",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts"},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
    ],
    "linux": {
        "namespaces": [{"type": kind} for kind in ["pid", "network", "ipc", "uts", "mount"]],
        "resources": {"devices": [{"allow": False, "access": "rwm"}], "pids": {"limit": 100}, "memory": {}},
        "maskedPaths": ["/proc/kcore"],
        "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"},
        "unheardOf": {"x": 1},
    },
}


def runtime(context):
    path = context.vmrun.with_name("vmrun-oci")
    check(path.is_file(), f"there is no {path}: 'make' builds it")
    return str(path)


@contextlib.contextmanager
def bundle(context, *args, change=lambda configuration: None):
    """A folder with a bundle in it, whose root is a copy of the busybox one."""
    with scratch() as folder:
        subprocess.run(["cp", "-a", str(context.busybox), str(folder / "rootfs")], check=True)
        configuration = copy.deepcopy(CONFIGURATION)
        configuration["process"]["args"] = list(args)
        change(configuration)
        (folder / "config.json").write_text(json.dumps(configuration))
        yield folder


def needs_root():
    if os.geteuid() != 0:
        raise Skip("namespaces are root's to make")


def run(context, *args, change=lambda configuration: None, status=0):
    """What a bundle's process prints."""
    needs_root()
    with bundle(context, *args, change=change) as folder:
        runtime(context)
        result = context.run([str(context.vmrun), "oci", "--root", str(folder / "states"), "run", "--bundle", str(folder)])
        check(result.status == status and not result.timed_out, result.describe(), result.transcript())
        check(not list((folder / "states").iterdir()), "it left its state", result.transcript())
        return result.stdout.decode()


@case()
def process_of_a_bundle(context):
    def change(configuration):
        configuration["process"]["cwd"] = "/etc"
        configuration["process"]["user"]["umask"] = 0o27

    text = run(context, "sh", "-c", 'echo "$0 $1 $FOO"; pwd; umask; hostname; ulimit -n; ulimit -c; env | grep -c .; exit 9', "zero", "one",
               change=change, status=9)
    lines = text.splitlines()
    check(lines[:6] == ["zero one bar baz", "/etc", "0027", "inside", "200", "0"], "not what the configuration says", text)
    check(socket.gethostname() != "inside", "this machine was renamed")
    run(context, "sh", "-c", "kill -9 $$", status=137)
    run(context, "sh", "-c", "sh -c 'kill -9 $$'; exit $?", status=137)
    run(context, "/no/such", status=127)


@case()
def users_of_a_bundle(context):
    def other(configuration):
        configuration["process"]["user"] = {"uid": 1234, "gid": 5678, "additionalGids": [5678]}

    check(run(context, "id", change=other).split()[:2] == ["uid=1234", "gid=5678"], "not the configuration's user")

    def groups(configuration):
        configuration["process"]["user"]["additionalGids"] = [7, 8]

    text = run(context, "id", "-G", change=groups)
    check(text.split() == ["0", "7", "8"], "not the configuration's groups", text)

    def few(configuration):
        configuration["process"]["capabilities"] = {"bounding": ["CAP_KILL"]}

    text = run(context, "sh", "-c", "echo > /file; chown 5 /file 2> /dev/null; echo $?", change=few)
    check(text == "1\n", "a capability was kept", text)
    text = run(context, "sh", "-c", "echo > /file; chown 5 /file; echo $?")
    check(text == "0\n", "all capabilities were dropped", text)


@case()
def mounts_of_a_bundle(context):
    with scratch() as shared:
        (shared / "file").write_text("shared\n")

        def change(configuration):
            configuration["root"]["readonly"] = True
            configuration["mounts"] += [
                {"destination": "/mnt", "type": "bind", "source": str(shared), "options": ["rbind", "rw"]},
                {"destination": "/fixed", "type": "bind", "source": str(shared), "options": ["bind", "ro"]},
                {"destination": "/fresh", "type": "tmpfs", "source": "tmpfs", "options": ["mode=750"]},
            ]

        script = """
            cat /mnt/file; echo new > /mnt/new; stat -c %a /fresh; echo x > /fresh/x && cat /fresh/x
            (echo x > /fixed/y) 2>&1 | grep -c Read-only; (echo x > /y) 2>&1 | grep -c Read-only; ls /dev/null"""
        text = run(context, "sh", "-c", script, change=change)
        check(text == "shared\n750\nx\n1\n1\n/dev/null\n", "not what the mounts say", text)
        check((shared / "new").read_text() == "new\n", "the bind was not written to")


@case()
def resources_of_a_bundle(context):
    def change(configuration):
        configuration["linux"]["resources"].update(memory={"limit": 64 << 20, "swap": 128 << 20}, pids={"limit": 3})

    text = run(context, "sh", "-c", "sleep 0 & sleep 0 & sleep 0 & sleep 0 & wait; echo $?", change=change, status=2)
    check(text == "", "more processes were made than it may have", text)
    # A process that takes more memory is killed, and nobody else.
    text = run(context, "sh", "-c", "dd if=/dev/zero of=/dev/null bs=200M count=1 2> /dev/null; echo $?", change=change)
    check(text == "137\n", "it took more memory than it may have", text)


@case()
def no_network(context):
    text = run(context, "sh", "-c", "ifconfig -a 2> /dev/null | grep -c Link; ifconfig lo | grep -c UP")
    check(text == "1\n1\n", "not lo alone", text)


REFUSED = {
    "ociVersion": lambda c: c.update(ociVersion="2.0.0"),
    "root.path": lambda c: c.pop("root"),
    "process.args": lambda c: c["process"].update(args=[]),
    "process.cwd": lambda c: c["process"].update(cwd="here"),
    "process.env": lambda c: c["process"].update(env=["NOTHING"]),
    "hooks": lambda c: c.update(hooks={"prestart": [{"path": "/bin/true"}]}),
    "process.selinuxLabel": lambda c: c["process"].update(selinuxLabel="x"),
    "RLIMIT_AS": lambda c: c["process"]["rlimits"].append({"type": "RLIMIT_AS", "soft": 1 << 30, "hard": 1 << 30}),
    "RLIMIT_NONE": lambda c: c["process"]["rlimits"].append({"type": "RLIMIT_NONE", "soft": 1, "hard": 1}),
    "CAP_NONE": lambda c: c["process"].update(capabilities={"bounding": ["CAP_NONE"]}),
    "linux.uidMappings": lambda c: c["linux"].update(uidMappings=[{"containerID": 0, "hostID": 0, "size": 1}]),
    "user is not supported": lambda c: c["linux"]["namespaces"].append({"type": "user"}),
    "joining a pid": lambda c: c["linux"]["namespaces"].append({"type": "pid", "path": "/proc/1/ns/pid"}),
    "/nonexistent/net": lambda c: c["linux"]["namespaces"].append({"type": "network", "path": "/nonexistent/net"}),
    "linux.resources.cpu": lambda c: c["linux"]["resources"].update(cpu={"shares": 5}),
    "linux.resources.memory.kernel": lambda c: c["linux"]["resources"].update(memory={"kernel": 1 << 20}),
    "kernel.panic": lambda c: c["linux"].update(sysctl={"kernel.panic": "1"}),
    "/dev/sda": lambda c: c["linux"].update(devices=[{"path": "/dev/sda", "type": "b"}]),
    "type overlay": lambda c: c["mounts"].append({"destination": "/x", "type": "overlay", "source": "overlay"}),
    "a destination": lambda c: c["mounts"].append({"destination": "/", "type": "bind", "source": "/", "options": ["bind"]}),
    "a colon": lambda c: c["mounts"].append({"destination": "/a:b", "type": "bind", "source": "/etc", "options": ["bind"]}),
    "would rename": lambda c: c["linux"].update(namespaces=[{"type": "pid"}]),
}


@case()
def what_is_not_supported_is_named(context):
    needs_root()
    for name, change in REFUSED.items():
        with bundle(context, "true", change=change) as folder:
            log = folder / "log"
            result = context.run([runtime(context), "--root", str(folder / "states"), "--log", str(log), "--log-format", "json", "create",
                                  "--bundle", str(folder), "one"])
            check(result.status == 1 and not result.stdout, f"{name}: {result.describe()}", result.transcript())
            check(name in result.stderr.decode() and len(result.stderr.splitlines()) == 1, f"the sentence does not name {name}",
                  result.transcript())
            check(name in json.loads(log.read_text())["msg"], "the log has another sentence", log.read_text())
            check(not (folder / "states/one").exists(), "it left a container", name)


@case()
def broken_bundles(context):
    with scratch() as folder:
        for text in ["", "[]", "{", '{"ociVersion": 1}', "[" * 100000, '{"ociVersion": "1.0.0", "root": 5, "process": []}',
                     '{"ociVersion": "1.0.0", "root": {"path": "/"}, "process": {"args": ["a"], "cwd": "/", "rlimits": 5, "env": {}}, "linux": [], "mounts": {"a": 1}, "hostname": 1e999}']:
            (folder / "config.json").write_text(text)
            result = context.run([runtime(context), "--root", str(folder / "states"), "create", "--bundle", str(folder), "one"], timeout=10)
            check(result.status == 1 or text.startswith('{"ociVersion": "1.0.0", "root": {'), result.describe(), result.transcript())
            context.run([runtime(context), "--root", str(folder / "states"), "delete", "--force", "one"])
        for words in [[], ["create"], ["create", "../x"], ["start", "-x"], ["exec", "x"], ["state", "none"], ["--bundle"], ["kill", "none"]]:
            result = context.run([runtime(context), "--root", str(folder / "states"), *words])
            check(result.status == 1 and len(result.stderr.splitlines()) == 1, f"{words}: {result.describe()}", result.transcript())


def created(context, folder, *options, output=subprocess.DEVNULL, **arguments):
    """A container `one` of the bundle in this folder; what runs its further commands."""
    command = [runtime(context), "--root", str(folder / "states")]
    subprocess.run([*command, "create", "--bundle", str(folder), "--pid-file", str(folder / "pid"), *options, "one"], check=True,
                   stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=30, **arguments)
    return lambda *words, status=0: commanded([*command, *words], status)


def commanded(command, status, seconds=60):
    """Not by the harness, which would kill the container as something that was left behind."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, env=ENVIRONMENT)
    check(result.returncode == status, f"{' '.join(command[3:])}: exit status {result.returncode}", result.stdout + result.stderr)
    return result.stdout


def wait_for(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"{what}: not within {seconds} s")
        time.sleep(0.05)


@case()
def life_of_a_container(context):
    needs_root()
    script = 'trap "echo term; exit 4" TERM; echo begun; while :; do sleep 0.1; done'

    def annotate(configuration):
        configuration["annotations"] = {"who": "I"}

    with bundle(context, "sh", "-c", script, change=annotate) as folder, open(folder / "output", "wb") as output:
        command = created(context, folder, output=output)
        try:
            state = json.loads(command("state", "one"))
            pid = int((folder / "pid").read_text())
            check(state == {"ociVersion": "1.0.2", "id": "one", "status": "created", "pid": pid, "bundle": str(folder.resolve()),
                            "annotations": {"who": "I"}}, "another state", str(state))
            time.sleep(0.3)
            check((folder / "output").read_text() == "", "it runs before it is started", (folder / "output").read_text())
            command("delete", "one", status=1)
            command("create", "--bundle", str(folder), "one", status=1)
            command("start", "one")
            check(json.loads(command("state", "one"))["status"] == "running", "not running")
            command("start", "one", status=1)
            command("delete", "one", status=1)
            wait_for("it begins", lambda: (folder / "output").read_text() == "begun\n")
            command("kill", "one", "NOSUCH", status=1)
            command("kill", "one")
            wait_for("it ends", lambda: json.loads(command("state", "one"))["status"] == "stopped")
            check((folder / "output").read_text() == "begun\nterm\n", "it did not get SIGTERM", (folder / "output").read_text())
            command("kill", "one", "9", status=1)
            command("delete", "one")
            command("state", "one", status=1)
            command("delete", "one", status=1)
            command("delete", "--force", "one")
        finally:
            command("delete", "--force", "one")


@case()
def nothing_survives_its_first_process(context):
    needs_root()
    with bundle(context, "sh", "-c", "(while :; do date > /beat; sleep 0.1; done) & sleep 1000") as folder:
        command = created(context, folder)
        beat = folder / "rootfs/beat"
        try:
            command("start", "one")
            wait_for("it beats", beat.exists)
            command("kill", "--all", "one", "KILL")
            wait_for("it ends", lambda: json.loads(command("state", "one"))["status"] == "stopped")
            beat.unlink(missing_ok=True)
            time.sleep(0.5)
            check(not beat.exists(), "a process lives on")
        finally:
            command("delete", "--force", "one")


@case()
def console(context):
    needs_root()

    def change(configuration):
        configuration["process"].update(terminal=True, consoleSize={"height": 11, "width": 22})

    with bundle(context, "sh", "-c", "stty size; tty; read line; echo got $line; exit 5", change=change) as folder, \
            socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "console"))
        server.listen()
        command = created(context, folder, "--console-socket", str(folder / "console"))
        try:
            connection, _ = server.accept()
            _, ancillary, _, _ = connection.recvmsg(64, socket.CMSG_SPACE(4))
            [terminal] = array.array("i", ancillary[0][2])
            command("start", "one")
            shown = b""
            with os.fdopen(terminal, "r+b", buffering=0) as master:
                os.write(terminal, b"typed\n")
                with contextlib.suppress(OSError):
                    while chunk := master.read(1000):
                        shown += chunk
            check(b"11 22" in shown and b"/dev/pts/" in shown and b"got typed" in shown, "the terminal shows something else", str(shown))
        finally:
            command("delete", "--force", "one")
        command("create", "--bundle", str(folder), "two", status=1)


@case()
def descriptors_are_kept(context):
    needs_root()
    with bundle(context, "sh", "-c", "echo three >&3; (echo four >&4) 2> /dev/null || echo none >&3") as folder:
        read, write = os.pipe()
        os.dup2(write, 3) if write != 3 else None
        command = created(context, folder, "--preserve-fds", "1", pass_fds=[3])
        os.close(write)
        if write != 3:
            os.close(3)
        try:
            command("start", "one")
            with os.fdopen(read) as pipe:
                check(pipe.read() == "three\nnone\n", "not descriptor 3 alone")
        finally:
            command("delete", "--force", "one")


@case()
def without_root(context):
    def change(configuration):
        configuration["linux"]["namespaces"] = [{"type": "pid"}, {"type": "mount"}, {"type": "network"}]
        configuration.pop("hostname")

    with bundle(context, "sh", "-c", "id -u; nc -w 1 127.0.0.1 1 2> /dev/null; ls / > /dev/null; exit 6", change=change) as folder:
        for name in ["vmrun", "vmrun-oci"]:
            shutil.copy(context.vmrun.with_name(name), folder / name)
        (folder / "config.json").chmod(0o644)
        result = context.run(as_other_user([str(folder / "vmrun"), "oci", "--root", str(folder / "states"), "run", "--bundle", str(folder)], folder))
        check(result.status == 6 and result.stdout == b"0\n", result.describe(), result.transcript())
        configuration = json.loads((folder / "config.json").read_text())
        configuration["linux"]["namespaces"].append({"type": "uts"})
        (folder / "config.json").write_text(json.dumps(configuration))
        result = context.run(as_other_user([str(folder / "vmrun-oci"), "--root", str(folder / "states"), "run", "--bundle", str(folder)], folder))
        check(result.status == 1 and b"uts needs root" in result.stderr, f"user {USER}: {result.describe()}", result.transcript())


@case()
def features_and_version(context):
    result = context.run([runtime(context), "features"])
    features = json.loads(result.stdout)
    check(result.status == 0 and "pid" in features["linux"]["namespaces"], result.describe(), result.transcript())
    version = context.guest([], "--version").stdout.split()[1]
    result = context.run([runtime(context), "--version"])
    check(result.status == 0 and result.stdout.split()[2] == version, "another version than vmrun's", result.transcript())


@case(alone=True)
def podman(context):
    needs_root()
    if not shutil.which("podman") or not shutil.which("conmon"):
        raise Skip("podman is not installed: 'make test' installs it")
    with bundle(context, "true") as folder:
        root = str(folder / "rootfs")
        (folder / "shared").mkdir()
        command = ["podman", "--root", str(folder / "storage"), "--runroot", str(folder / "run"), "--storage-driver", "vfs",
                   "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", runtime(context)]
        limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=10000:10000", "--network", "none"]

        def engine(*words, status=0):
            return commanded([*command, *map(str, words)], status)

        text = engine("run", "--rm", *limits, "--hostname", "inside", "--env", "A=b", "--rootfs", root, "sh", "-c", "hostname; echo $A; exit 3",
                      status=3)
        check(text == "inside\nb\n", "not what podman was asked for", text)
        text = engine("run", "--rm", *limits, "--user", "12:34", "--read-only", "--read-only-tmpfs=false", "-v", f"{folder}/shared:/mnt", "--rootfs", root,
                      "sh", "-c", "id -u; (echo > /x) 2>&1 | grep -c Read-only")
        check(text == "12\n1\n", "not what podman was asked for", text)
        engine("run", "-d", "--name", "one", *limits, "--rootfs", root, "sh", "-c",
               'trap "echo term; exit 4" TERM; echo begun; while :; do sleep 0.1; done')
        try:
            wait_for("it begins", lambda: "begun" in engine("logs", "one"))
            engine("stop", "-t", "10", "one")
            check(engine("inspect", "-f", "{{.State.ExitCode}} {{.State.Status}}", "one") == "4 exited\n", "it did not end by SIGTERM")
            check(engine("logs", "one") == "begun\nterm\n", "other output")
        finally:
            engine("rm", "-f", "one")
