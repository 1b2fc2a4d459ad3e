// The command line and environment of this process. In C because Embedded Swift has neither.
#pragma once

extern int vmrun_argument_count;
extern char **vmrun_arguments;
extern char **vmrun_environment;

/// The value that the kernel passed for an AT_* type, 0 where it passed none. glibc's getauxval gives its own idea of some.
unsigned long vmrun_auxiliary_value(unsigned long type);
