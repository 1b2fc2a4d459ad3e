#include "vmrun_thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmrun_syscall.h"

static __thread struct vmrun_thread *self;
// The id of a thread that is not attached, once it was asked for.
static __thread uint32_t unattached_id;
__thread uint32_t vmrun_faults_blocked = 1;

struct vmrun_thread *vmrun_thread_self(void)
{
    return self;
}

uintptr_t vmrun_thread_storage(void)
{
    return (uintptr_t)&self;
}

uint32_t vmrun_thread_id(void)
{
    if (self)
        return (uint32_t)self->tid;
    if (!unattached_id)
        unattached_id = (uint32_t)vmrun_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
    return unattached_id;
}

void vmrun_thread_attach(struct vmrun_thread *thread)
{
    self = thread;
    unattached_id = 0;
    // Another process may have run on this thread-local storage (a vfork helper). The next mask that is set says how it is.
    vmrun_faults_blocked = 1;
    if (thread)
        thread->served_tid = thread->tid = (int32_t)vmrun_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

long vmrun_fork(void)
{
    long fault = vmrun_injected_fault(VMRUN_FAULT_FORK, 0);
    if (fault)
        return fault;
    pid_t pid = fork();
    return pid < 0 ? -errno : pid;
}

long vmrun_clone_helper(int (*body)(void *), void *stack_top, int flags, void *argument)
{
    long fault = vmrun_injected_fault(VMRUN_FAULT_HELPER, 0);
    if (fault)
        return fault;
    int pid = clone(body, stack_top, flags, argument);
    return pid < 0 ? -errno : pid;
}

struct start {
    void (*body)(void *);
    void *argument;
};

static void *start_routine(void *opaque)
{
    struct start start = *(struct start *)opaque;
    free(opaque);
    start.body(start.argument);
    return NULL;
}

long vmrun_start_thread(void (*body)(void *), void *argument, uint64_t stack_size)
{
    long fault = vmrun_injected_fault(VMRUN_FAULT_THREAD, 0);
    if (fault)
        return fault;
    struct start *start = malloc(sizeof *start);
    if (!start)
        return -ENOMEM;
    *start = (struct start){body, argument};

    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, stack_size);

    // The new thread inherits the mask: nothing may reach it before it has a vmrun_thread.
    uint64_t all = ~0ull, before;
    vmrun_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, 8, 0, 0);
    pthread_t thread;
    int error = pthread_create(&thread, &attributes, start_routine, start);
    vmrun_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, 8, 0, 0);
    pthread_attr_destroy(&attributes);
    if (error)
        free(start);
    return -error;
}

struct bind_request {
    int directory, socket;
    const void *address;
    unsigned length;
    long result;
};

// Runs on the caller's thread-local storage while the caller waits: it must not touch it.
static int bind_there(void *opaque)
{
    struct bind_request *request = opaque;
    request->result = vmrun_syscall(SYS_fchdir, request->directory, 0, 0, 0, 0, 0);
    if (request->result == 0)
        request->result = vmrun_syscall(SYS_bind, request->socket, (long)request->address, request->length, 0, 0, 0);
    vmrun_syscall(SYS_exit, 0, 0, 0, 0, 0, 0);
    return 0;
}

long vmrun_bind_in_directory(int directory, int socket, const void *address, unsigned length)
{
    struct bind_request request = {directory, socket, address, length, 0};
    _Alignas(16) char stack[16384];
    uint64_t all = ~0ull, before;
    vmrun_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, 8, 0, 0);
    // CLONE_VFORK: this thread sleeps until the other one is gone, and its stack free again.
    int flags = CLONE_VM | CLONE_VFORK | CLONE_THREAD | CLONE_SIGHAND | CLONE_FILES | CLONE_SYSVSEM;
    long thread = clone(bind_there, stack + sizeof stack, flags, &request);
    long error = errno;
    vmrun_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, 8, 0, 0);
    return thread < 0 ? -error : request.result;
}
