// The command line and environment of this process. In C because Embedded Swift has neither.
#pragma once

extern int vmrun_argument_count;
extern char **vmrun_arguments;
extern char **vmrun_environment;
