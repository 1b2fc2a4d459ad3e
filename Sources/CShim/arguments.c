#include "vmrun_arguments.h"

#include <elf.h>
#include <stdint.h>
#include <unistd.h>

int vmrun_argument_count;
char **vmrun_arguments;
char **vmrun_environment;

// Not every C library passes main's arguments to constructors. The kernel lays them before the environment: the number of the words,
// the words, a null; and no pointer is as small as a number.
__attribute__((constructor)) static void keep_arguments(void)
{
    uintptr_t *word = (uintptr_t *)environ - 2;
    uintptr_t count = 0;
    while (*word != count) {
        word--;
        count++;
    }
    vmrun_argument_count = (int)count;
    vmrun_arguments = (char **)(word + 1);
    vmrun_environment = environ;
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
