import Process

/// Where handlers put what they copy, so that two copies of one call never meet. Each handler uses the parts it names.
extension Scratch {
    /// iovec arrays (1024 elements of 16 bytes), poll tables, arrays.
    static let vector = 0
    /// Fixed-size structures: msghdr, socket addresses, time-outs.
    static let structures = 16 * 1024
    /// Ancillary data of a message.
    static let control = 32 * 1024
    static let controlCapacity = dataCapacity - control

    /// The scratch memory from `offset` on.
    @inline(__always)
    func at(_ offset: Int) -> UnsafeMutableRawPointer {
        // SAFETY: the buffer was allocated with a constant, non-zero size, and offsets are constants inside it.
        data.baseAddress.unsafelyUnwrapped + offset
    }
}

extension UnsafeMutableRawPointer {
    /// The address as an argument of `GuestThread.hostCall`.
    @inline(__always)
    var hostArgument: UInt64 { UInt64(UInt(bitPattern: self)) }
}
