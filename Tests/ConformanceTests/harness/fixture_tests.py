"""A fixture's test: it must pass natively, then do and say the same under vmrun."""

import os
import shutil

from harness import privilege
from harness.context import compare, scratch
from harness.registry import Skip, Test, check


def tests(context, fixtures, modes, complaints):
    """One test for each fixture, variant and mode, and one more as another user where asked for."""
    found = []
    for fixture in fixtures:
        if fixture.run_by:
            continue
        for variant in fixture.variants:
            for mode in modes:
                suffix = "" if mode.name == "plain" else f":{mode.name}"
                name = f"{fixture.name}.{variant}{suffix}"
                found.append(make(context, fixture, variant, mode, complaints, name, False))
            if fixture.unprivileged and variant == fixture.variants[0]:
                name = f"unprivileged/{fixture.name}.{variant}"
                found.append(make(context, fixture, variant, modes[0], complaints, name, True))
    return found


def make(context, fixture, variant, mode, complaints, name, unprivileged):
    def run(_):
        reason = fixture.skip or fixture.skip_variants.get(variant)
        if reason:
            raise Skip(reason)
        complaint = complaints.get((fixture.name, variant))
        check(not complaint, "does not compile", complaint or "")
        judge(context, fixture, variant, mode, unprivileged)
    return Test(name, run, alone=fixture.alone, needs_vmrun=False)


def judge(context, fixture, variant, mode, unprivileged):
    program = context.builder.path(fixture, variant)
    native = execute(context, fixture, [str(program)], unprivileged)
    check(not native.timed_out, "native: timed out", native.transcript())
    check(native.status == fixture.status, f"native: {native.describe()}", native.transcript())
    check(not native.leaked, "native: left processes behind: " + "; ".join(native.leaked))
    expected = fixture.normalised(native.stdout)
    if fixture.output is not None:
        check(expected == fixture.output, "native: not the output that the manifest expects", native.transcript())
    if context.native_only:
        return
    command = [str(context.vmrun), *mode.options, *fixture.vmrun, str(program)]
    guest = execute(context, fixture, command, unprivileged)
    check(not guest.timed_out, "vmrun: timed out", guest.transcript())
    check(guest.status == fixture.status, f"vmrun: {guest.describe()}, natively {native.describe()}",
          guest.transcript())
    compare(expected, fixture.normalised(guest.stdout))
    check(not guest.leaked, "vmrun left processes behind: " + "; ".join(guest.leaked), guest.transcript())


def execute(context, fixture, command, unprivileged):
    """Run a command with the fixture's arguments in a directory of its own, which is also its TMPDIR."""
    with scratch() as folder:
        if unprivileged:
            # The tree may lie where another user cannot reach it.
            command = [copied(word, folder) if word.startswith("/") else word for word in command]
            command = privilege.as_other_user(command, folder)
        work = folder / "t"
        work.mkdir()
        work.chmod(0o777)
        environment = {"TMPDIR": str(work), **fixture.env}
        arguments = [argument.replace("$TMPDIR", str(work)) for argument in fixture.args]
        return context.run(command + arguments, env=environment, cwd=work, stdin=fixture.stdin.encode(),
                           timeout=fixture.timeout)


def copied(path, folder):
    target = folder / os.path.basename(path)
    shutil.copy(path, target)
    target.chmod(0o755)
    return str(target)
