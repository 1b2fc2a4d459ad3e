/* Every option and request of a range, asked of every common kind of socket: what each answers is printed, so that a run
 * can be compared with another one. Options that vmrun refuses by policy are left out. */
#include "check.h"
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static const struct { const char *name; int family, type, protocol; } kinds[] = {
    {"unix stream", AF_UNIX, SOCK_STREAM, 0},  {"unix datagram", AF_UNIX, SOCK_DGRAM, 0},
    {"tcp", AF_INET, SOCK_STREAM, 0}, {"udp", AF_INET, SOCK_DGRAM, 0},
    {"mptcp", AF_INET, SOCK_STREAM, 262}, {"ping", AF_INET, SOCK_DGRAM, 1},
    {"tcp6", AF_INET6, SOCK_STREAM, 0}, {"udp6", AF_INET6, SOCK_DGRAM, 0}, {"netlink", AF_NETLINK, SOCK_RAW, 0},
    {"packet", AF_PACKET, SOCK_DGRAM, 0}, {"vsock", AF_VSOCK, SOCK_STREAM, 0},
    {"alg", AF_ALG, SOCK_SEQPACKET, 0}, {"can", AF_CAN, SOCK_RAW, 1}, {"bluetooth", AF_BLUETOOTH, SOCK_RAW, 1},
    {"none", 12345, SOCK_STREAM, 0},
};

static const int levels[] = {SOL_SOCKET, 0, 41, 6, 17, 255, 263, 270, 284, 12345};

/* Those that only ask. */
static const int requests[] = {FIONREAD, TIOCOUTQ, SIOCGPGRP, FIOGETOWN, SIOCATMARK, 0x894b, SIOCGIFNAME, SIOCGIFFLAGS, SIOCGIFADDR,
                               SIOCGIFDSTADDR, SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFMETRIC, SIOCGIFMTU, SIOCGIFHWADDR,
                               SIOCGIFINDEX, SIOCGIFPFLAGS, SIOCGIFTXQLEN, SIOCGIFMAP, SIOCGIFCONF, SIOCGARP, 0x8906, 0x8907};

/* netfilter's, and options with addresses or descriptors in them. */
static int is_left_out(int level, int option)
{
    if (level == 0) return option >= 64;
    if (level == 41) return option == 64 || option == 65 || option == 68 || option == 69;
    if (level == 6) return option == 35;
    if (level == 284) return option == 4;
    if (level == 263) return option == 22;
    return 0;
}

static void show(const char *kind, const char *what, int level, int option, long result, int length)
{
    /* What does not exist is most of it. */
    if (result == -1 && (errno == ENOPROTOOPT || errno == EOPNOTSUPP || errno == ENOTTY)) return;
    printf("%s %s %d/%d: %s %d\n", kind, what, level, option, result == -1 ? strerror(errno) : "ok", length);
}

int main(void)
{
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int fd = socket(kinds[i].family, kinds[i].type, kinds[i].protocol);
        if (fd == -1) {
            printf("%s: %s\n", kinds[i].name, strerror(errno));
            continue;
        }
        for (unsigned j = 0; j < sizeof levels / sizeof levels[0]; j++)
            for (int option = 0; option < 86; option++) {
                if (is_left_out(levels[j], option)) continue;
                char value[512];
                static const socklen_t rooms[] = {512, 0, 4};
                long result = 0;
                for (int k = 0; k < 3 && (k == 0 || result == 0); k++) {
                    socklen_t length = rooms[k];
                    memset(value, 0, sizeof value);
                    result = syscall(SYS_getsockopt, fd, levels[j], option, value, &length);
                    show(kinds[i].name, "get", levels[j], option, result, (int)length);
                }
                if (result == 0) {
                    socklen_t length = sizeof value;
                    result = syscall(SYS_getsockopt, fd, levels[j], option, 8L, &length);
                    show(kinds[i].name, "get to nowhere", levels[j], option, result, (int)length);
                }
                /* Nothing is set: what is given is missing, short, or not there. */
                result = syscall(SYS_setsockopt, fd, levels[j], option, 8L, 64);
                show(kinds[i].name, "set from nowhere", levels[j], option, result, 0);
                result = syscall(SYS_setsockopt, fd, levels[j], option, value, 1);
                show(kinds[i].name, "set short", levels[j], option, result, 0);
            }
        for (unsigned j = 0; j < sizeof requests / sizeof requests[0]; j++) {
            char value[512];
            memset(value, 0, sizeof value);
            long result = syscall(SYS_ioctl, fd, requests[j], value);
            show(kinds[i].name, "request", 0, requests[j], result, 0);
            result = syscall(SYS_ioctl, fd, requests[j], 8L);
            show(kinds[i].name, "request to nowhere", 0, requests[j], result, 0);
        }
        close(fd);
        for (int extra = 3; extra < 200; extra++) close(extra);
    }
    return finish();
}
