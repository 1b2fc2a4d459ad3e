#include "vmrun_arguments.h"

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
