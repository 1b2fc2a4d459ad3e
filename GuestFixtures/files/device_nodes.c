/* The devices that every /dev has, made elsewhere by the superuser, as debootstrap and tar do. Others get EPERM. */
#include "check.h"
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

static const struct { const char *name; unsigned major, minor; } devices[] = {
    {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9},
    {"tty", 5, 0}, {"console", 5, 1}, {"ptmx", 5, 2},
};
#define DEVICES (sizeof devices / sizeof *devices)

/* CAP_MKNOD, which a container's superuser may not have. */
static int may_make;

static void made(void)
{
    umask(022);
    for (unsigned i = 0; i < DEVICES; i++) {
        const char *path = temporary(devices[i].name);
        dev_t device = makedev(devices[i].major, devices[i].minor);
        if (mknod(path, S_IFCHR | 0666, device) == -1) {
            CHECK_EQ(errno, EPERM);
            CHECK_EQ(i, 0);
            return;
        }
        struct stat status;
        CHECK_OK(lstat(path, &status));
        CHECK(S_ISCHR(status.st_mode));
        CHECK_EQ(status.st_mode & 07777, 0644);
        CHECK_EQ(status.st_rdev, device);
        CHECK_EQ(status.st_size, 0);
        CHECK_ERROR(mknod(path, S_IFCHR | 0666, device), EEXIST);
    }
    may_make = 1;
}

static void used(void)
{
    struct statvfs system;
    if (!may_make) return;
    CHECK_OK(statvfs(temporary("null"), &system));
    if (system.f_flag & ST_NODEV) {
        CHECK_ERROR(open(temporary("null"), O_RDWR), EACCES);
        return;
    }
    char text[16] = "0123456789";
    int file = open(temporary("null"), O_RDWR);
    CHECK_OK(file);
    CHECK_EQ(write(file, text, 10), 10);
    CHECK_EQ(read(file, text, 10), 0);
    close(file);
    file = open(temporary("zero"), O_RDWR);
    CHECK_EQ(read(file, text, 10), 10);
    CHECK_EQ(text[0] | text[9], 0);
    close(file);
    file = open(temporary("full"), O_RDWR);
    CHECK_ERROR(write(file, text, 10), ENOSPC);
    close(file);
    file = open(temporary("urandom"), O_RDONLY);
    CHECK_EQ(read(file, text, 10), 10);
    close(file);
}

int main(void)
{
    RUN(made);
    RUN(used);
    return finish();
}
