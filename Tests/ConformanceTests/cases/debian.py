"""Scripts in a Debian root: the same output and status as natively under chroot."""

import pathlib

from harness.registry import case

SCRIPTS = pathlib.Path(__file__).parent.parent / "scripts" / "debian"

#: Those that end with a status of their own, to see that it arrives.
STATUSES = {"bash_language": 3, "perl_program": 6, "python_program": 11}
INTERPRETERS = {".sh": ["/bin/bash", "-c"], ".py": ["/usr/bin/python3", "-c"], ".pl": ["/usr/bin/perl", "-e"]}


def script_case(path):
    @case(path.stem.replace("_", "-"), needs_vmrun=False)
    def run(context):
        command = [*INTERPRETERS[path.suffix], path.read_text()]
        # The scripts make their own directories under /tmp and take them away again.
        context.same_as_native(command, "--timeout", "0", sysroot=context.debian, timeout=120,
                               native_status=STATUSES.get(path.stem, 0))


for script in sorted(SCRIPTS.iterdir()):
    if script.suffix in INTERPRETERS:
        script_case(script)
