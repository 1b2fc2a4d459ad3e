import CShim
import Host
import LinuxABI

extension ThreadSignals {
    /// Makes a host call that waits with a mask of its own (sigsuspend, ppoll, pselect, epoll_pwait). `call` is given the
    /// mask for the kernel: the guest's less what vmrun needs unblocked. A signal that came in under that mask is
    /// delivered although the thread's own mask blocks it, as Linux does.
    public func withTemporaryMask(_ mask: UInt64, _ call: (_ hostMask: UInt64) -> Int) -> Int {
        let wanted = mask & ~Self.unblockable
        let original = host.pointee.blocked
        host.pointee.blocked = wanted
        if deliverableDeferred(wanted) != nil {
            // It is pending in vmrun, where the kernel cannot see it.
            host.pointee.blocked = original
            temporaryMask = wanted
            raiseAttention()
            return -Int(EINTR)
        }
        if host.pointee.captured != 0 && wanted & Self.bit(host.pointee.captured) != 0 {
            // It came before the call, whose mask would hold it back.
            host.pointee.blocked = original
            return VMRUN_ERESTART
        }
        let result = call(wanted & ~Self.neverBlocked)
        host.pointee.blocked = original
        if result == VMRUN_ERESTART { return result }
        if host.pointee.captured != 0 || deliverableDeferred(wanted) != nil {
            temporaryMask = wanted
            raiseAttention()
        }
        return result
    }

    /// Blocks every signal on the host and makes all that vmrun holds for the guest pending in the kernel again.
    public func returnToKernel() {
        var all = ~UInt64(0)
        _ = withUnsafeMutablePointer(to: &all) {
            Host.raw(Int32(SYS_rt_sigprocmask), Int(SIG_SETMASK), $0.argument, 0, 8)
        }
        if host.pointee.captured != 0 {
            _ = vmrun_requeue(host.pointee.captured, &host.pointee.captured_info)
            host.pointee.captured = 0
        }
        while let (signal, info) = takeDeferred(in: ~0) {
            var copy = info
            _ = vmrun_requeue(signal, &copy)
        }
    }

    /// Queues a signal for this very thread without the kernel, for siginfo that the host's handler would take for a fault of
    /// vmrun's own.
    public func queueToSelf(_ signal: Int32, _ info: siginfo_t) {
        guard vmrun_deferred_index(signal) >= 0 else { return }
        keepDeferred(signal, info)
        if deliverableDeferred(mask) != nil { raiseAttention() }
    }

    /// Takes a pending signal of `set` out of those that vmrun keeps itself, for sigtimedwait(2).
    public func takeDeferred(in set: UInt64) -> (signal: Int32, info: siginfo_t)? {
        guard let signal = deliverableDeferred(~set) else { return nil }
        let index = vmrun_deferred_index(signal)
        vmrun_clear_bits(&host.pointee.deferred, 1 << UInt32(index))
        return (signal, deferredInfo(Int(index)))
    }
}
