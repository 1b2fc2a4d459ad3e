// Host signal handling. In C because a handler may run at any instruction, where Swift's runtime may not.
#pragma once

#include <signal.h>
#include <stdint.h>

/// The signal that makes a vCPU thread leave KVM_RUN or a host call: one that always has vmrun's handler. Shared with the guest,
/// who may use the number too: vmrun's own carry VMRUN_KICK_VALUE. It does not reach a thread whose guest blocks it.
#define VMRUN_KICK_SIGNAL SIGBUS
#define VMRUN_KICK_VALUE 0x766d6b696b636bull

/// How the host treats a signal.
enum vmrun_disposition { VMRUN_DISPOSITION_DEFAULT, VMRUN_DISPOSITION_IGNORE, VMRUN_DISPOSITION_CAPTURE };

/// Sets the host's disposition. `flags` are SA_* bits that the kernel shall apply on the guest's behalf (SA_RESTART,
/// SA_NOCLDSTOP, SA_NOCLDWAIT, SA_RESETHAND). Signals that vmrun needs itself are captured whatever is asked. 0 or -errno.
long vmrun_set_disposition(int signal, enum vmrun_disposition disposition, uint64_t flags);

/// The host's present disposition, for what a parent left ignored: 1 where `signal` is ignored.
int vmrun_is_ignored(int signal);

/// 1 where the disposition of `signal` says SA_RESTART.
int vmrun_restarts(int signal);

/// Installs the handlers of the signals that vmrun needs itself, and blocks all signals: there is no thread yet to hold one.
void vmrun_install_handlers(void);

/// Makes `mask` the host's blocked mask, unless a signal is captured: then everything is blocked, and stays so.
void vmrun_set_host_mask(uint64_t mask);

/// Gives a captured signal back to the kernel, pending for the calling thread. 0 or -errno.
long vmrun_requeue(int signal, const siginfo_t *info);

/// Makes thread `tid` of this process leave the guest. 0 or -errno.
long vmrun_kick(int32_t tid);

/// With a debugger there is another kick, by a signal that no program uses and that is never blocked while the guest runs. What
/// somebody else sends of it while the guest blocks it is lost.
#define VMRUN_DEBUG_KICK_SIGNAL SIGSTKFLT

/// Makes ready for that kick. To be called before there is a second thread.
void vmrun_enable_debug_kick(void);

/// Makes thread `tid` of this process leave the guest, whatever its guest blocks. 0 or -errno.
long vmrun_debug_kick(int32_t process, int32_t tid);

/// The mask that the host is to have where the guest has `mask`.
uint64_t vmrun_host_mask(uint64_t mask);

/// Whether `address` is in the code in which calls of the guest's wait.
int vmrun_is_in_guest_call(uint64_t address);

struct vmrun_thread;
/// Whether a kick would reach the thread now: its guest does not block the signal.
int vmrun_takes_kick(const struct vmrun_thread *thread);

/// Ends the whole process by `signal` with the kernel's default action (never returns).
__attribute__((noreturn)) void vmrun_die_by_signal(int signal);
