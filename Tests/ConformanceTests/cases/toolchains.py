"""Compilers for this processor in the host's own root; the folder foreign/ has more (`make test-foreign`)."""

from harness import foreign
from harness.context import scratch
from harness.registry import case, check


@case(needs_vmrun=False)
def compiled_and_run(context):
    compilers = ["gcc", "gcc -static -O2", "musl-gcc", "musl-gcc -static", "tcc"]
    with scratch() as folder:
        native = context.same_as_native(["/bin/sh", str(foreign.SCRIPTS / "compile.sh"), *compilers], timeout=120,
                                        env={"TMPDIR": str(folder)})
    check(native.stdout.count(b"value 42,") == len(compilers), "not every program was compiled", native.transcript())


OVERFLOW = """
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **arguments)
{
    char *text = malloc(10);
    (void)arguments;
    sprintf(text, "%d", count);
    puts(text);
    text[count > 1 ? 10 : 9] = 1;
    free(text);
    return 0;
}
"""


@case(needs_vmrun=False)
def address_sanitizer(context):
    """It maps its shadow and its allocator at addresses of its own choice, 0x600000000000 among them."""
    with scratch() as folder:
        source, program = folder / "overflow.c", folder / "overflow"
        source.write_text(OVERFLOW)
        built = context.run(["gcc", "-g", "-fsanitize=address", "-o", str(program), str(source)], timeout=60)
        check(built.status == 0, built.describe(), built.transcript())
        for arguments, status in [[], 0], [["overflow"], 1]:
            for run in [context.run] + ([] if context.native_only else [context.guest]):
                result = run([str(program), *arguments], env={"ASAN_OPTIONS": "detect_leaks=0"}, timeout=60)
                check(result.status == status and (b"heap-buffer-overflow" in result.stderr) == (status == 1),
                      result.describe(), result.transcript())
