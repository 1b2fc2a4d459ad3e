import CShim

/// Calls whose results are structures.
extension Host {
    /// fstat(2) of a descriptor that is open for more than its path. Nil where the host refuses it.
    public static func status(of descriptor: Int32) -> stat? {
        var status = stat()
        let result = withUnsafeMutablePointer(to: &status) { raw(Int32(SYS_fstat), Int(descriptor), $0.argument) }
        return result == 0 ? status : nil
    }

    /// pipe2(2); exec closes it.
    public static func pipe(_ flags: Int32 = 0) throws(HostError) -> (reading: Int32, writing: Int32) {
        var ends: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutablePointer(to: &ends) { raw(Int32(SYS_pipe2), $0.argument, Int(flags | O_CLOEXEC)) }
        if result < 0 { throw HostError(Int32(-result)) }
        return (ends.0, ends.1)
    }

    /// nanosleep(2), for less than a second; a signal ends it.
    public static func pause(nanoseconds: UInt64) {
        var time = timespec(tv_sec: 0, tv_nsec: Int(nanoseconds))
        _ = withUnsafeMutablePointer(to: &time) { raw(Int32(SYS_nanosleep), $0.argument) }
    }

    /// Takes a signal of `set` (bit n-1 for signal n) that is pending for the calling thread, or else for its process: its number,
    /// or -errno where there is none. rt_sigtimedwait(2) without waiting.
    public static func takePendingSignal(of set: UInt64) -> Int {
        var set = set
        var now = timespec()
        return withUnsafeMutablePointer(to: &set) { set in
            withUnsafeMutablePointer(to: &now) { raw(Int32(SYS_rt_sigtimedwait), set.argument, 0, $0.argument, 8) }
        }
    }
}
