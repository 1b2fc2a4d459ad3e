// System calls that a filter of the program's own refuses; the argument says how.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
static void handler(int signal)
{
    (void)signal;
}

static void filter(unsigned action)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
static void *thread(void *argument)
{
    filter(SECCOMP_RET_KILL_THREAD);
    syscall(SYS_getppid);
    return argument;
}

static void say(const char *text)
{
    if (write(1, text, strlen(text)) < 0)
        _exit(1);
}

int main(int count, char **arguments)
{
    const char *how = count > 1 ? arguments[1] : "error";
    pthread_t other;
    if (!strcmp(how, "error")) {
        filter(SECCOMP_RET_ERRNO | EPERM);
    } else if (!strcmp(how, "trap")) {
        signal(SIGSYS, handler);
        filter(SECCOMP_RET_TRAP | 7);
    } else if (!strcmp(how, "strict")) {
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    } else if (!strcmp(how, "thread")) {
        pthread_create(&other, NULL, thread, NULL);
        // Nobody tells the library that it has ended.
        usleep(300000);
        say("alone\n");
        return 0;
    } else {
        filter(SECCOMP_RET_KILL_PROCESS);
    }
    syscall(SYS_getppid);
    say("after\n");
    return 0;
}
