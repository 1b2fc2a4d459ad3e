// Fault-safe access to guest memory, as a kernel has for user copies. Assembly because the fix-up needs to know the
// exact instructions that may fault; a SIGSEGV or SIGBUS raised at one of them makes the routine return early. While the thread
// has one of the two blocked, as its guest may wish, such a fault would end the process: then the kernel makes the copy.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// The guest's memory ends here; vmrun's own is all above: below the lowest address that the kernel's randomization may begin
/// to place mappings at (vm.mmap_rnd_bits of 32 on x86-64), and, on arm64, below two thirds of the address space, where it puts
/// position-independent programs. A program that is not static, as the unit tests are, is put there on x86-64 too (VMRUN_LOW_ARENA).
#if defined(__aarch64__)
#define VMRUN_ARENA_TOP 0xa80000000000ul
#elif defined(VMRUN_LOW_ARENA)
#define VMRUN_ARENA_TOP 0x540000000000ul
#else
#define VMRUN_ARENA_TOP 0x6e0000000000ul
#endif

/// Copies `length` bytes; returns how many were NOT copied (0: all). One side is guest memory, the other is not.
size_t vmrun_copy(void *destination, const void *source, size_t length);

/// Fills `length` bytes with zero; returns how many were NOT written.
size_t vmrun_zero(void *destination, size_t length);

/// Copies a NUL-terminated string of at most `capacity` bytes (NUL included) out of [source, limit). Returns its
/// length without the NUL; -EFAULT (-14) where memory ends first; -ENAMETOOLONG (-36) where no NUL fits.
long vmrun_copy_string(char *destination, const char *source, size_t capacity, const char *limit);

/// One aligned 32-bit access; 0, or -EFAULT. The exchange answers 1 where the value was not `expected` (then
/// `*expected` holds what was there).
long vmrun_load32(const void *address, uint32_t *value);
long vmrun_store32(void *address, uint32_t value);
long vmrun_exchange32(void *address, uint32_t *expected, uint32_t desired);

/// The handler's part: where to go on after a fault at `ip` (0: not one of these routines).
uintptr_t vmrun_copy_fixup(uintptr_t ip);

/// The handler's part where it blocks SIGSEGV and SIGBUS: where a routine interrupted at `ip` must go on so that the kernel makes
/// the rest of its access (0: `ip` is nowhere that matters).
uintptr_t vmrun_copy_slow_path(uintptr_t ip);
