"""Run libFuzzer on what reads untrusted bytes: Tests/Fuzz/FuzzTargets.swift says what each target is.

    make fuzz                                    # ten minutes for each target
    make fuzz ARGS='--seconds 60 elf options'
    Tests/Tools/fuzz.py --fuzzer .build/fuzz/release/fuzz elf --input crash-...   # one input again

Begins with the seeds made here and with what earlier runs have found (`build/fuzz/TARGET`). An input that traps, hangs or takes too much memory is a failure; it
stays in `build/fuzz`. Ends with status 1 where there is one.
"""

import argparse
import os
import pathlib
import struct
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
#: For one input.
SECONDS, MEGABYTES = 10, 2048


def programs():
    """The role byte and a program: statically linked, dynamic, and one of headers only."""
    for role in (0, 1):
        for folder in ("static-musl", "dynamic-glibc"):
            for path in sorted((REPOSITORY / "build/fixtures" / folder / "process").glob("exit"))[:1]:
                yield bytes([role]) + path.read_bytes()[:8192]
        header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, 0x310067000100, 64, 0, 0, 64, 56, 1, 64, 0, 0)
        yield bytes([role]) + header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x310067000000, 0x310067000000, 4096, 4096, 4096) + bytes(4096)
        yield bytes([role]) + b"#!/p argument\n"


def messages():
    header = struct.pack("<IHHQII", 0x6863_6d76, 1, 1, 0, 0, 1)
    chunk = struct.pack("<IIIiI", 0x6663_6d76, 0, 1, 60, 1)
    for first in (header, header[:-1], chunk):
        yield bytes([len(first)]) + first + bytes([len(chunk)]) + chunk


SEEDS = {
    "elf": lambda: list(programs()),
    "plan": lambda: [bytes(400), b"\x01" * 300, b"aarch64\0/usr/bin/qemu-aarch64-static\0"],
    "hand-over": lambda: list(messages()),
    "options": lambda: [b"--sysroot\0/r\0--bind=/a:/b:ro\0--memory\x00512M\0--env\0A=B\0--\0prog\0arg", b"doctor", b"--interp\0aarch64=/q\0--user\0a:b\0--net=none\0p",
                        b"--helper-fd\x0012", b"--timeout=99999999999999999999\0x"],
    "path": lambda: [b"/d/link/e/file\0../d", b"d/up/../d/e/file\0/d/e", b"/d/root/d/link\0../../../secret", b"d/link\0link", b"/d/e/file/\0", b"/d/link/x/../..\0/"],
}
#: An input may be so long: what matters in larger ones is in smaller ones too.
LENGTHS = {"elf": 16384, "plan": 4096, "hand-over": 4096, "options": 1024, "path": 4096}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fuzzer", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--input", type=pathlib.Path, help="only this file")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(SEEDS))
    options = parser.parse_args()
    unknown = set(options.targets) - set(SEEDS)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    failed = []
    for target in options.targets or SEEDS:
        corpus = REPOSITORY / "build/fuzz" / target
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(SEEDS[target]()):
            (corpus / f"seed-{number}").write_bytes(seed)
        command = [str(options.fuzzer.resolve()), f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={LENGTHS[target]}",
                   f"-artifact_prefix={corpus.parent}/{target}-", "-print_final_stats=1", "-verbosity=0"]
        command += [str(options.input)] if options.input else [f"-max_total_time={options.seconds}", str(corpus)]
        result = subprocess.run(command, env=os.environ | {"FUZZ_TARGET": target, "SWIFT_BACKTRACE": "enable=no"}, cwd=corpus.parent, text=True,
                                errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        units = [line.split()[-1] for line in result.stdout.splitlines() if line.startswith("stat::number_of_executed_units")]
        print(f"{target}: {units[0] if units else 'no'} inputs, {len(list(corpus.iterdir()))} kept, {'failed' if result.returncode else 'no failure'}", flush=True)
        if result.returncode:
            failed.append(target)
            print("\n".join(result.stdout.splitlines()[-40:]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
