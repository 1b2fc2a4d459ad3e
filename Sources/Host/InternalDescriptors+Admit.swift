import CShim

extension InternalDescriptors {
    /// What a host call that made a descriptor for the guest answers to it: the number, or -EMFILE where the table that the
    /// guest knows is full (the descriptor is closed then). Other results pass.
    @inlinable
    public static func admit(_ result: Int) -> Int {
        guard result >= 0, UInt64(result) >= guestLimit else { return result }
        _ = Host.raw(Int32(SYS_close), result)
        return -Int(EMFILE)
    }
}
