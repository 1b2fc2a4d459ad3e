// Names of file-name calls that glibc hides behind _GNU_SOURCE, which Swift's view of the headers lacks, and numbers newer
// than the headers. In C because the values are the kernel headers'.
#pragma once

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#if defined(__aarch64__)
enum { VMRUN_O_DIRECTORY = 040000, VMRUN_O_NOFOLLOW = 0100000, VMRUN_O_DIRECT = 0200000, VMRUN_O_LARGEFILE = 0400000 };
#else
enum { VMRUN_O_DIRECTORY = 0200000, VMRUN_O_NOFOLLOW = 0400000, VMRUN_O_DIRECT = 040000, VMRUN_O_LARGEFILE = 0100000 };
#endif
enum {
    VMRUN_F_SETLEASE = 1024,
    VMRUN_O_NOATIME = 01000000,
    VMRUN_O_PATH = 010000000,
    VMRUN_O_TMPFILE_BIT = 020000000,
    VMRUN_O_TMPFILE = VMRUN_O_TMPFILE_BIT | VMRUN_O_DIRECTORY,
    VMRUN_AT_SYMLINK_NOFOLLOW = 0x100,
    VMRUN_AT_EACCESS = 0x200,
    VMRUN_AT_REMOVEDIR = 0x200,
    VMRUN_AT_SYMLINK_FOLLOW = 0x400,
    VMRUN_AT_NO_AUTOMOUNT = 0x800,
    VMRUN_AT_EMPTY_PATH = 0x1000,
    VMRUN_AT_STATX_SYNC_TYPE = 0x6000,
    VMRUN_RENAME_NOREPLACE = 1,
    VMRUN_RENAME_EXCHANGE = 2,
    VMRUN_RENAME_WHITEOUT = 4,
    VMRUN_PATH_MAX = 4096,
};

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif
