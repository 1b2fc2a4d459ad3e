import CShim
import LinuxABI

extension ThreadSignals {
    /// Makes a host call that waits with a mask of its own (sigsuspend, ppoll, pselect, epoll_pwait). `call` reads that mask from
    /// `place`. A signal that ended it is delivered although the thread's own mask blocks it, as Linux does.
    public func withTemporaryMask(_ mask: UInt64, at place: UnsafeMutableRawPointer, _ call: () -> Int) -> Int {
        let wanted = mask & ~Self.unblockable
        // It came before the call, whose mask would hold it back.
        if host.pointee.captured != 0 && wanted & Self.bit(host.pointee.captured) != 0 { return VMRUN_ERESTART }
        place.storeBytes(of: vmrun_host_mask(wanted), as: UInt64.self)
        host.pointee.call_mask = place.assumingMemoryBound(to: UInt64.self)
        let result = call()
        host.pointee.call_mask = nil
        // A call that ends in another way has its caller's mask back before any signal is looked at.
        if result == GuestErrno.EINTR.result, host.pointee.captured != 0, wanted & Self.bit(host.pointee.captured) == 0 {
            temporaryMask = wanted
        }
        return result
    }
}
