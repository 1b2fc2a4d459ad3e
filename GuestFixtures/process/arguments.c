/* argv and the environment arrive as they were given, in order, with nothing added. */
#include "check.h"

extern char **environ;

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    printf("argc %d, argv[0] ends in %s\n", argc, slash ? slash + 1 : argv[0]);
    for (int i = 1; i < argc; i++)
        printf("argv[%d] = <%s>\n", i, argv[i]);
    CHECK(argv[argc] == NULL);
    CHECK_STR(getenv("EMPTY"), "");
    CHECK_STR(getenv("SPACES"), " a  b ");
    CHECK_STR(getenv("EQUALS"), "a=b=c");
    CHECK_STR(getenv("LC_ALL"), "C");
    int count = 0;
    for (char **entry = environ; *entry; entry++) {
        CHECK(strchr(*entry, '=') != NULL);
        count++;
    }
    printf("%d variables\n", count);

    /* As the kernel lays them out: one block, the strings one behind the other. */
    CHECK(argv[argc - 1] + strlen(argv[argc - 1]) + 1 == environ[0]);

    /* Input, too, is the one that was given. */
    char line[100] = "";
    CHECK(fgets(line, sizeof line, stdin) != NULL);
    printf("stdin: %s", line);
    CHECK(fgetc(stdin) == EOF);
    return finish();
}
