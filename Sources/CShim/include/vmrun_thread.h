// Per-thread state that signal handlers reach, and the ways a host thread or process comes to life. In C because
// thread-local storage, fork and clone may run no Swift between the call and the child's first steps.
#pragma once

#include <signal.h>
#include <stdint.h>

struct kvm_run;

/// A process's RLIMIT_NOFILE as its guest knows it; the host's own also covers vmrun's descriptors.
struct vmrun_descriptor_limits {
    uint64_t soft, hard;
};

enum {
    /// A signal for the guest has been captured.
    VMRUN_ATTENTION_SIGNAL = 1,
    /// Another thread of vmrun asks this one to leave the guest and look at `requests`.
    VMRUN_ATTENTION_KICK = 2,
};

/// What the signal handler knows of its host thread. The owner is the thread itself; other threads only set
/// `requests`.
struct vmrun_thread {
    volatile uint32_t attention;
    /// The captured signal, 0 for none: taken from the kernel, not yet delivered to the guest. While one is held
    /// every other signal stays blocked, hence pending in the kernel, whose queueing rules thereby apply unchanged.
    volatile int32_t captured;
    volatile uint32_t requests;
    /// Nonzero where the guest thread has confined itself: its calls are asked about (FilterWord in Process).
    volatile uint32_t filtered;
    struct kvm_run *run;
    /// The guest's blocked mask, bit n-1 for signal n.
    volatile uint64_t blocked;
    /// Where the call being made reads the mask that it waits with (sigsuspend, ppoll); NULL for all other calls.
    uint64_t *call_mask;
    siginfo_t captured_info;
    /// Host thread id, and the guest thread's whose call is being made. They differ on the poller.
    int32_t tid, served_tid;
    /// A POSIX timer that kicks this thread; made when first needed. A fork child has none.
    int32_t guard_timer;
    int32_t has_guard_timer;
    /// Set by every kick, so that one between arming the timer and the guarded call's own look at this word is not lost.
    volatile uint32_t kicked;
    /// The limits of the process that the thread belongs to.
    struct vmrun_descriptor_limits *limits;
};

/// Nonzero while the calling thread's host mask may block SIGSEGV or SIGBUS (vmrun_copy.h). Always right when nonzero.
extern __thread uint32_t vmrun_faults_blocked;

/// The state of the calling thread, or NULL before vmrun_thread_attach.
struct vmrun_thread *vmrun_thread_self(void);
void vmrun_thread_attach(struct vmrun_thread *thread);

/// The calling host thread's id, by which locks know their owner. A call of the kernel's at most once a thread.
uint32_t vmrun_thread_id(void);

/// An address in the calling thread's thread-local storage.
uintptr_t vmrun_thread_storage(void);

/// Gives back what the state holds of the kernel's.
void vmrun_thread_release(struct vmrun_thread *thread);

/// fork(2) through libc, so that its lists of threads are whole in the child. Returns the pid, 0 in the child, or -errno.
long vmrun_fork(void);

/// Starts `body(argument)` in a child made by clone(2) with `flags` (CLONE_VM among them) on the given stack; the
/// child ends by leaving with exit_group. Returns the child's pid or -errno.
long vmrun_clone_helper(int (*body)(void *), void *stack_top, int flags, void *argument);

/// A detached host thread with a stack of `stack_size` bytes and every signal blocked. 0 or -errno.
long vmrun_start_thread(void (*body)(void *), void *argument, uint64_t stack_size);

/// bind(2) by a thread that has this directory (a descriptor) for its working directory and ends: threads share theirs. A
/// relative path may then be as long as the address allows. 0 or -errno.
long vmrun_bind_in_directory(int directory, int socket, const void *address, unsigned length);
