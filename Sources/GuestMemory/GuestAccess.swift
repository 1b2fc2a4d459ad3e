import CShim
import LinuxABI

/// Checked, fault-safe access to guest memory. Each call copies once; what it copied is what gets used. EFAULT is thrown
/// where any byte is outside the arena or not accessible.
public enum GuestAccess {
    /// Copies `count` bytes of guest memory into `buffer`.
    public static func copyIn(
        _ buffer: UnsafeMutableRawPointer, from address: GuestAddress, count: Int
    ) throws(GuestErrno) {
        guard count >= 0, Arena.contains(address, length: UInt64(count)) else { throw .EFAULT }
        // SAFETY: the range is inside the arena and the routine survives faults.
        if count > 0 && vmrun_copy(buffer, Arena.pointer(address), count) != 0 { throw .EFAULT }
    }

    /// Copies `count` bytes to guest memory.
    public static func copyOut(
        _ buffer: UnsafeRawPointer, to address: GuestAddress, count: Int
    ) throws(GuestErrno) {
        guard count >= 0, Arena.contains(address, length: UInt64(count)) else { throw .EFAULT }
        // SAFETY: as in copyIn.
        if count > 0 && vmrun_copy(Arena.pointer(address), buffer, count) != 0 { throw .EFAULT }
    }

    /// One value of a plain C type.
    @inline(__always)
    public static func read<Value: BitwiseCopyable>(
        _ type: Value.Type, at address: GuestAddress
    ) throws(GuestErrno) -> Value {
        let size = MemoryLayout<Value>.size
        guard Arena.contains(address, length: UInt64(size)) else { throw .EFAULT }
        let result: Value? = withUnsafeTemporaryAllocation(of: Value.self, capacity: 1) { space in
            // SAFETY: every bit pattern is a valid Value, and the copy fills all of it or the result is nil.
            vmrun_copy(space.baseAddress, Arena.pointer(address), size) == 0 ? space[0] : nil
        }
        guard let result else { throw .EFAULT }
        return result
    }

    @inline(__always)
    public static func write<Value: BitwiseCopyable>(
        _ value: Value, at address: GuestAddress
    ) throws(GuestErrno) {
        let size = MemoryLayout<Value>.size
        guard Arena.contains(address, length: UInt64(size)) else { throw .EFAULT }
        let left = withUnsafeBytes(of: value) { vmrun_copy(Arena.pointer(address), $0.baseAddress, size) }
        if left != 0 { throw .EFAULT }
    }

    /// A C structure that the compiler does not know to be plain because it has a union inside.
    public static func readStructure<Value>(
        into value: inout Value, at address: GuestAddress
    ) throws(GuestErrno) {
        let size = MemoryLayout<Value>.size
        guard Arena.contains(address, length: UInt64(size)) else { throw .EFAULT }
        let left = withUnsafeMutableBytes(of: &value) { vmrun_copy($0.baseAddress, Arena.pointer(address), size) }
        if left != 0 { throw .EFAULT }
    }

    public static func writeStructure<Value>(_ value: Value, at address: GuestAddress) throws(GuestErrno) {
        let size = MemoryLayout<Value>.size
        guard Arena.contains(address, length: UInt64(size)) else { throw .EFAULT }
        let left = withUnsafeBytes(of: value) { vmrun_copy(Arena.pointer(address), $0.baseAddress, size) }
        if left != 0 { throw .EFAULT }
    }

    /// Zeroes a range.
    public static func zero(_ address: GuestAddress, count: UInt64) throws(GuestErrno) {
        guard Arena.contains(address, length: count) else { throw .EFAULT }
        if count > 0 && vmrun_zero(Arena.pointer(address), Int(count)) != 0 { throw .EFAULT }
    }

    /// A NUL-terminated string into `buffer`; its length without the NUL. ENAMETOOLONG where it does not fit.
    public static func readCString(
        at address: GuestAddress, into buffer: UnsafeMutableBufferPointer<CChar>
    ) throws(GuestErrno) -> Int {
        guard Arena.contains(address), let destination = buffer.baseAddress,
            let source = Arena.pointer(address), let limit = UnsafeRawPointer(bitPattern: UInt(Arena.top))
        else { throw .EFAULT }
        // SAFETY: the routine stops at the arena's end and survives faults.
        let length = vmrun_copy_string(
            destination, source.assumingMemoryBound(to: CChar.self), buffer.count,
            limit.assumingMemoryBound(to: CChar.self))
        if length < 0 { throw GuestErrno(Int32(-length)) }
        return length
    }

    /// A NUL-terminated string of at most `limit` bytes, NUL included, as an array without the NUL.
    public static func readBytes(at address: GuestAddress, limit: Int) throws(GuestErrno) -> [UInt8] {
        var storage = [CChar](repeating: 0, count: min(limit, 4096))
        while true {
            var failure: GuestErrno? = nil
            var length = 0
            storage.withUnsafeMutableBufferPointer { buffer in
                do throws(GuestErrno) { length = try readCString(at: address, into: buffer) } catch { failure = error }
            }
            guard let failure else { return storage[0..<length].map { UInt8(bitPattern: $0) } }
            if failure != .ENAMETOOLONG || storage.count >= limit { throw failure }
            storage = [CChar](repeating: 0, count: min(limit, storage.count * 8))
        }
    }
}
