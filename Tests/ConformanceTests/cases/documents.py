"""The commands of the documentation do what they say; `make test-docs` runs those that download or build."""

import sys

from harness.context import scratch
from harness.registry import check

from harness.registry import case


def tools(context):
    sys.path.insert(0, str(context.repository / "Tests/Tools"))
    import documented_commands
    return documented_commands


@case()
def commands_of_the_documentation(context):
    documented = tools(context)
    root = context.root("debian")
    blocks = [block for block in documented.blocks(context.repository) if not block.long]
    check(len(blocks) > 8, "there are too few blocks: were they found?")
    with scratch() as home:
        documented.prepare(context.repository, context.vmrun, home, root)
        (home / "here").mkdir()
        for block in blocks:
            result = context.run(documented.command(block), env=documented.environment(context.repository, home),
                                 cwd=context.repository if block.document == "README.md" else home / "here", timeout=120)
            check(result.status == 0 and not result.timed_out, f"{block.document}:{block.line}: {result.describe()}", result.transcript())


@case(needs_host=False, needs_vmrun=False)
def blocks_are_run_or_no_commands(context):
    documented = tools(context)
    for document, name in documented.fences(context.repository):
        check(name in ["sh", "sh long", "yaml", "text"], f"{document} has a block that no test runs: ```{name}")
