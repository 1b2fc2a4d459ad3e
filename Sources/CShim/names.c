#include "vmrun_names.h"

#include <string.h>

// The C library has these tables already. Their functions are glibc's own and need _GNU_SOURCE, which Swift's importer does not define.

const char *vmrun_errno_name(int number) { return strerrorname_np(number); }

const char *vmrun_errno_sentence(int number) { return strerrordesc_np(number); }

const char *vmrun_signal_name(int number) { return sigabbrev_np(number); }
