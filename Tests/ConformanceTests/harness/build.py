"""Compile the guest fixtures, those whose source or flags changed."""

import concurrent.futures
import hashlib
import os
import subprocess

from harness.manifest import VARIANTS

COMMON_FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread",
                # Fixtures vfork and jump out of handlers on purpose; what must survive is volatile.
                "-Wno-clobbered"]
# musl-gcc hides the system's include folders; the kernel's headers are wanted from there all the
# same, after musl's own.
MUSL_FLAGS = ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"]


class Builder:
    def __init__(self, sources, output):
        self.sources = sources
        self.output = output
        headers = sorted(sources.rglob("*.h"))
        self.headers_hash = hashlib.sha256(b"".join(header.read_bytes() for header in headers)).hexdigest()

    def path(self, fixture, variant):
        return self.output / variant / fixture.name

    def command(self, fixture, variant, output):
        compiler, *flags = VARIANTS[variant]
        flags = [*COMMON_FLAGS, *flags, "-I", str(self.sources)]
        if compiler == "musl-gcc":
            flags += MUSL_FLAGS
        return [compiler, *flags, *fixture.flags, *map(str, fixture.sources), "-o", str(output),
                *([] if variant in ("bare", "aarch64") else ["-lm"])]

    def build(self, fixture, variant):
        """Build one; return an empty string, or what the compiler said."""
        target = self.path(fixture, variant)
        # Renamed when complete: two workers may want the same fixture.
        new = target.with_name(f"{target.name}.{os.getpid()}.new")
        command = self.command(fixture, variant, new)
        key = hashlib.sha256("\0".join([*self.command(fixture, variant, target), self.headers_hash]).encode())
        for source in fixture.sources:
            key.update(source.read_bytes())
        key_file = target.with_name(target.name + ".key")
        if target.exists() and key_file.exists() and key_file.read_text() == key.hexdigest():
            return ""
        target.parent.mkdir(parents=True, exist_ok=True)
        result = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if result.returncode != 0:
            return result.stderr or f"{command[0]} failed"
        os.replace(new, target)
        key_file.write_text(key.hexdigest())
        return ""

    def build_all(self, pairs, jobs):
        """Build (fixture, variant) pairs; return {(name, variant): complaint} of those that failed."""
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            complaints = pool.map(lambda pair: self.build(*pair), pairs)
            return {(fixture.name, variant): complaint
                    for (fixture, variant), complaint in zip(pairs, complaints) if complaint}
