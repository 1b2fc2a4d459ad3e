"""Boot an emulated host with Bochs, which emulates VMX; QEMU (TCG) does not. Its machine has a disc drive, so it boots a disc."""

import contextlib
import fcntl
import os
import pathlib
import pty
import select
import shutil
import socket
import struct
import subprocess
import termios
import threading

#: What makes the disc, and the package that has it.
PROGRAMS = {"bochs-bin": "bochs", "grub-mkrescue": "grub-common", "xorriso": "xorriso", "mformat": "mtools"}

LOADER = """
set timeout=0
menuentry host {{
    linux /boot/vmlinuz {command_line}
    initrd /boot/initramfs
}}
"""

#: Time goes by instructions, `ips` to the second: however slow Bochs is, nothing in it times out for that. With fewer, timers
#: of the fixtures would go off faster than an exit to the host and back.
MACHINE = """
plugin_ctrl: unmapped=1, biosdev=1, extfpuirq=1, serial=1
display_library: term
cpu: model={processor}, count=1, ips=150000000, reset_on_triple_fault=0
megs: 1024
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path={disc}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={console}
com2: enabled=1, mode=file, dev={results}
com3: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
log: {log}
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
"""


def missing_packages():
    packages = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    if not pathlib.Path("/usr/lib/grub/i386-pc").is_dir():
        packages.add("grub-pc-bin")
    return sorted(packages)


class Relay(threading.Thread):
    """Bochs connects its port to a TCP port, once; whoever debugs comes to a socket in the file system, one after the other."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.machines = socket.create_server(("127.0.0.1", 0))
        self.port = self.machines.getsockname()[1]
        self.debuggers = socket.socket(socket.AF_UNIX)
        self.debuggers.bind(str(place))
        self.debuggers.listen()
        self.start()

    def run(self):
        machine, debugger = self.machines.accept()[0], None
        while True:
            for ready in select.select([machine, debugger or self.debuggers], [], [])[0]:
                if ready is self.debuggers:
                    debugger = self.debuggers.accept()[0]
                    continue
                data = ready.recv(4096)
                if ready is machine:
                    if not data:
                        return
                    # To nobody, between two debuggers.
                    if debugger:
                        with contextlib.suppress(OSError):
                            debugger.sendall(data)
                elif data:
                    machine.sendall(data)
                else:
                    debugger.close()
                    debugger = None


def boot(host, initramfs, results, console, seconds, debugger, processor):
    """Run the host to its end; False where it had to be killed. debugger: where its port for gdb is to be."""
    work = initramfs.parent
    (work / "disc/boot/grub").mkdir(parents=True)
    os.link(initramfs, work / "disc/boot/initramfs")
    shutil.copy(host.kernel, work / "disc/boot/vmlinuz")
    (work / "disc/boot/grub/grub.cfg").write_text(LOADER.format(command_line=host.command_line))
    subprocess.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", work / "host.iso", work / "disc",
                    "--install-modules=linux normal iso9660 biosdisk", "--locales=", "--fonts=", "--themes="],
                   check=True, stdin=subprocess.DEVNULL, capture_output=True)
    relay = Relay(debugger)
    (work / "bochsrc").write_text(MACHINE.format(
        port=relay.port, processor=processor, disc=work / "host.iso", console=console, results=results, log=console.with_suffix(".bochs")))
    # Debian's Bochs is built with its debugger, which waits for a command.
    (work / "commands").write_text("c\n")
    console.write_bytes(b"")
    run_on_terminal(["timeout", "-s", "KILL", str(seconds), "nice", "bochs-bin", "-q", "-f", "bochsrc", "-rc", "commands"], work)
    return "\nEND " in results.read_text(errors="replace")


def run_on_terminal(command, folder):
    """Run a program that wants a screen, which nobody looks at."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 132, 0, 0))
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, cwd=folder, start_new_session=True,
                               env={**os.environ, "TERM": "vt100"})
    try:
        while process.poll() is None:
            if select.select([screen], [], [], 1)[0]:
                os.read(screen, 65536)
    finally:
        process.kill()
        process.wait()
        os.close(screen)
        os.close(terminal)
