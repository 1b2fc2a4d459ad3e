"""The commands in README.md and docs/usage.md: what each block is, and how it is run.

A fenced block that is called `sh` is run as it stands, `sh long` only where long ones are wanted: it downloads or builds. All blocks of a
document run in one home directory, where ~/bookworm is a Debian root.
"""

import dataclasses
import pathlib
import re

DOCUMENTS = ["README.md", "docs/usage.md"]


@dataclasses.dataclass
class Block:
    document: str
    line: int
    text: str
    long: bool


def blocks(repository):
    for document in DOCUMENTS:
        text = (repository / document).read_text()
        for match in re.finditer(r"^```sh( long)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            yield Block(document, text[:match.start()].count("\n") + 1, match[2], bool(match[1]))


def fences(repository):
    """The name of every fenced block."""
    for document in DOCUMENTS:
        inside = False
        for line in (repository / document).read_text().splitlines():
            if line.startswith("```"):
                if not inside:
                    yield document, line[3:]
                inside = not inside


def command(block):
    return ["bash", "-eu", "-o", "pipefail", "-c", block.text]


def environment(repository, home):
    """Where `vmrun` is the one that was built."""
    return {"HOME": str(home), "PATH": f"{pathlib.Path(home) / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8"}


def prepare(repository, vmrun, home, root=None):
    (home / "bin").mkdir()
    (home / "bin/vmrun").symlink_to(vmrun)
    if root:
        (home / "bookworm").symlink_to(root)
