"""Scripts that start many processes, in the host's own root: the same output and status as natively."""

import pathlib

from harness.registry import case

SCRIPTS = pathlib.Path(__file__).parent.parent / "scripts" / "host"
#: Those that end with a status of their own, to see that it arrives.
STATUSES = {"python_forks": 7}
INTERPRETERS = {".sh": "/bin/bash", ".py": "/usr/bin/python3", ".pl": "/usr/bin/perl"}


def script_case(path):
    @case(path.stem.replace("_", "-"), needs_vmrun=False)
    def run(context):
        context.same_as_native([INTERPRETERS[path.suffix], str(path)], timeout=180, native_status=STATUSES.get(path.stem, 0))


for script in sorted(SCRIPTS.iterdir()):
    if script.suffix in INTERPRETERS:
        script_case(script)
