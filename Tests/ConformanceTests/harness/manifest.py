"""GuestFixtures/manifest.toml: which fixtures there are, how each is built, run and judged."""

import dataclasses
import os
import pathlib
import re
import shutil
import tomllib

#: The Swift toolchain's own, which builds for every processor: no cross compiler has to be installed.
CLANG = shutil.which("clang", path=f"{os.environ.get('PATH', '')}:/opt/swift/usr/bin:/usr/libexec/swift/bin") or "clang"

#: Each variant is one way to link a program; the loader and the C library differ between them.
VARIANTS = {
    "static-glibc": ["gcc", "-static", "-no-pie"],
    "dynamic-glibc": ["gcc", "-pie", "-fPIE"],
    "static-pie": ["gcc", "-static-pie", "-fPIE"],
    "et-exec-dynamic": ["gcc", "-no-pie", "-fno-pie"],
    "static-musl": ["musl-gcc", "-static", "-no-pie", "-fno-pie"],
    "dynamic-musl": ["musl-gcc", "-pie", "-fPIE"],
    # No program: what one opens.
    "shared-glibc": ["gcc", "-shared", "-fPIC"],
    # No C library at all: the fixture brings its own _start.
    "bare": ["gcc", "-nostdlib", "-static", "-no-pie", "-fno-pie"],
    # For another processor, without a C library too.
    "aarch64": [CLANG, "--target=aarch64-linux-gnu", "-fuse-ld=lld", "-ffreestanding", "-nostdlib", "-static",
                "-Wno-unknown-warning-option"],
    # For other processors with one; dynamic ones need a root directory that has it.
    "aarch64-static": ["aarch64-linux-gnu-gcc", "-static"],
    "aarch64-dynamic": ["aarch64-linux-gnu-gcc"],
    "riscv64-static": ["riscv64-linux-gnu-gcc", "-static"],
    # As Debian builds for arm: inode numbers of vmrun's /proc do not fit into 32 bits.
    "arm-static": ["arm-linux-gnueabihf-gcc", "-static", "-D_FILE_OFFSET_BITS=64"],
}
GROUPS = {
    "basic": ["static-glibc", "dynamic-glibc", "static-musl"],
    "all": ["static-glibc", "dynamic-glibc", "static-pie", "et-exec-dynamic", "static-musl", "dynamic-musl"],
}


@dataclasses.dataclass
class Mode:
    """A way to run vmrun in which every fixture must behave the same."""
    name: str
    options: list


@dataclasses.dataclass
class Fixture:
    name: str
    source: pathlib.Path
    variants: list
    #: Sources of GuestFixtures/lib/ that are linked in.
    library: list = dataclasses.field(default_factory=list)
    flags: list = dataclasses.field(default_factory=list)
    args: list = dataclasses.field(default_factory=list)
    stdin: str = ""
    env: dict = dataclasses.field(default_factory=dict)
    status: int = 0
    #: The expected output; None means what the native run prints.
    output: str | None = None
    #: [pattern, replacement] pairs, applied to both outputs before they are compared.
    normalise: list = dataclasses.field(default_factory=list)
    vmrun: list = dataclasses.field(default_factory=list)
    timeout: float = 30
    unprivileged: bool = False
    alone: bool = False
    #: The only processor that it is about (`x86_64`); by default it is about any.
    machine: str | None = None
    #: The case that runs this fixture instead of the usual test.
    run_by: str | None = None
    skip: str | None = None
    skip_variants: dict = dataclasses.field(default_factory=dict)

    @property
    def sources(self):
        return [self.source, *self.library]

    def normalised(self, output):
        text = output.decode(errors="replace")
        for pattern, replacement in self.normalise:
            text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        return text


class ManifestError(Exception):
    pass


def read(path):
    """Return (modes, fixtures). A manifest with a mistake in it is refused, never half used."""
    with open(path, "rb") as file:
        manifest = tomllib.load(file)
    modes = [Mode(entry["name"], entry["options"]) for entry in manifest.get("mode", [])]
    fixtures = [read_fixture(entry, path.parent) for entry in manifest.get("fixture", [])]
    names = [fixture.name for fixture in fixtures]
    for name in names:
        if names.count(name) > 1:
            raise ManifestError(f"{path.name} names the fixture '{name}' twice.")
    used = {source for fixture in fixtures for source in fixture.sources}
    for source in sorted([*path.parent.rglob("*.c"), *path.parent.rglob("*.S")]):
        if source not in used:
            raise ManifestError(f"{source.relative_to(path.parent)} is in no entry of {path.name}, so it never runs.")
    return modes, fixtures


def read_fixture(entry, folder):
    entry = {key.replace("-", "_"): value for key, value in entry.items()}
    name = entry.get("name", "(unnamed)")
    entry.setdefault("source", name + ".c")
    entry["source"] = folder / entry["source"]
    entry["library"] = [folder / source for source in entry.get("library", [])]
    for source in [entry["source"], *entry["library"]]:
        if not source.is_file():
            raise ManifestError(f"The fixture '{name}' names {source.name}, which does not exist.")
    variants = entry.get("variants", "basic")
    entry["variants"] = GROUPS[variants] if isinstance(variants, str) else variants
    for variant in [*entry["variants"], *entry.get("skip_variants", {})]:
        if variant not in VARIANTS:
            raise ManifestError(f"The fixture '{name}' asks for the unknown variant '{variant}'.")
    for reason in [entry.get("skip", "x"), *entry.get("skip_variants", {}).values()]:
        if not reason.strip():
            raise ManifestError(f"The fixture '{name}' is skipped without a reason.")
    try:
        return Fixture(**entry)
    except TypeError as error:
        raise ManifestError(f"The fixture '{name}' has a field that is not known: {error}.") from None
