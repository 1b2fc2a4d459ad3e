#pragma once

// For traces. All of these answer NULL for a number that has no name.

/// ENOENT for 2.
const char *vmrun_errno_name(int number);
/// "No such file or directory" for 2.
const char *vmrun_errno_sentence(int number);
/// INT for 2.
const char *vmrun_signal_name(int number);
