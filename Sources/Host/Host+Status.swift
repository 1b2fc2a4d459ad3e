import CShim

extension Host {
    /// fstat(2) of a descriptor that is open for more than its path. Nil where the host refuses it.
    public static func status(of descriptor: Int32) -> stat? {
        var status = stat()
        let result = withUnsafeMutablePointer(to: &status) { raw(Int32(SYS_fstat), Int(descriptor), $0.argument) }
        return result == 0 ? status : nil
    }
}
