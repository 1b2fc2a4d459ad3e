import CShim

extension Host {
    /// Closes a descriptor of vmrun's own. Nothing can be done about an error.
    @inlinable
    public static func close(_ descriptor: Int32) { _ = raw(Int32(SYS_close), Int(descriptor)) }
}
