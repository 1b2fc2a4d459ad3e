import GuestMemory
import LinuxABI

extension GuestAccess {
    /// `copyIn` for a caller that leaves the errno to the kernel: false instead of EFAULT.
    @inline(__always)
    static func tryCopyIn(_ buffer: UnsafeMutableRawPointer, from address: UInt64, count: Int) -> Bool {
        do throws(GuestErrno) {
            try copyIn(buffer, from: GuestAddress(address), count: count)
            return true
        } catch {
            return false
        }
    }
}
