/* The file of a running program cannot be opened for writing. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void own_file(void)
{
    CHECK_ERROR(open("/proc/self/exe", O_RDWR), geteuid() == 0 ? ETXTBSY : EACCES);
}

int main(void)
{
    RUN(own_file);
    return finish();
}
