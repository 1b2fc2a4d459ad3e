"""Write an initial RAM disk: a cpio archive in the kernel's `newc` form, uncompressed.

Unpacking a compressed one would cost an emulated processor more than reading all of it.
"""

import pathlib


class Initramfs:
    def __init__(self, path):
        self.file = open(path, "wb")
        self.count = 0
        self.folders = set()

    def folder(self, name, mode=0o755):
        if name in self.folders or name == ".":
            return
        self.folder(str(pathlib.PurePosixPath(name).parent))
        self.folders.add(name)
        self.entry(name, 0o040000 | mode, b"")

    def add(self, name, content, mode=0o755):
        self.folder(str(pathlib.PurePosixPath(name).parent))
        self.entry(name, 0o100000 | mode, content)

    def link(self, name, target):
        self.folder(str(pathlib.PurePosixPath(name).parent))
        self.entry(name, 0o120777, target.encode())

    def character_device(self, name, major, minor, mode=0o600):
        self.folder(str(pathlib.PurePosixPath(name).parent))
        self.entry(name, 0o020000 | mode, b"", (major, minor))

    def close(self):
        self.entry("TRAILER!!!", 0, b"")
        self.file.close()

    def entry(self, name, mode, content, device=(0, 0)):
        self.count += 1
        encoded = name.encode() + b"\0"
        fields = [self.count, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0]
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        self.padded(header + encoded)
        self.padded(content)

    def padded(self, data):
        self.file.write(data + b"\0" * (-len(data) % 4))
