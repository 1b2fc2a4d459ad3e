#include "vmrun_arguments.h"

#include <elf.h>

int vmrun_argument_count;
char **vmrun_arguments;
char **vmrun_environment;

// glibc passes main's arguments to constructors too.
__attribute__((constructor)) static void keep_arguments(int count, char **arguments, char **environment)
{
    vmrun_argument_count = count;
    vmrun_arguments = arguments;
    vmrun_environment = environment;
}

unsigned long vmrun_auxiliary_value(unsigned long type)
{
    char **end = vmrun_environment;
    if (!end)
        return 0;
    while (*end)
        end++;
    // The vector follows the environment's closing null.
    for (const Elf64_auxv_t *entry = (const Elf64_auxv_t *)(end + 1); entry->a_type != AT_NULL; entry++)
        if (entry->a_type == type)
            return entry->a_un.a_val;
    return 0;
}
