"""docs_tests.py VMRUN: run every command of README.md and docs/usage.md, in their order, those that download or build included."""

import pathlib
import subprocess
import sys
import tempfile

import documented_commands

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SECONDS = 3600


def main():
    vmrun = pathlib.Path(sys.argv[1]).resolve()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="vmrun-docs-") as name:
        home = pathlib.Path(name)
        documented_commands.prepare(ROOT, vmrun, home)
        (home / "here").mkdir()
        # The root is made by the documents themselves, before it is used in the README.
        for block in sorted(documented_commands.blocks(ROOT), key=lambda block: block.document == "README.md"):
            result = subprocess.run(documented_commands.command(block), env=documented_commands.environment(ROOT, home),
                                    cwd=ROOT if block.document == "README.md" else home / "here", stdin=subprocess.DEVNULL,
                                    capture_output=True, text=True, timeout=SECONDS)
            good = result.returncode == 0
            passed, failed = passed + good, failed + (not good)
            print(f"{'PASS' if good else 'FAIL'} {block.document}:{block.line}", flush=True)
            if not good:
                print(block.text + result.stdout[-2000:] + result.stderr[-2000:])
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
