import CShim
import GuestMemory
import LinuxABI

extension Forwarding {
    /// UIO_MAXIOV: the kernel refuses longer arrays before it looks at them.
    static let largestVector = 1024

    /// The iovec array at `address`, copied to `scratch` with every element checked; answers where the copy is. What cannot
    /// be copied is passed as an address that gives EFAULT, and with too many elements the kernel does not look at it.
    @inline(__always)
    static func iovec(_ address: UInt64, count: UInt64, scratch: UnsafeMutableRawBufferPointer) -> UInt64 {
        let count = Int(UInt32(truncatingIfNeeded: count))
        guard count > 0, count <= largestVector else { return refused(address) }
        let size = count &* MemoryLayout<CShim.iovec>.stride
        guard size <= scratch.count, let copy = scratch.baseAddress,
            GuestAccess.tryCopyIn(copy, from: address, count: size)
        else { return refused(address) }
        check(copy.assumingMemoryBound(to: CShim.iovec.self), count: count)
        return UInt64(UInt(bitPattern: copy))
    }

    /// Checks each element of a copied iovec array.
    @inline(__always)
    static func check(_ vector: UnsafeMutablePointer<CShim.iovec>, count: Int) {
        for index in 0..<count {
            let base = UInt64(UInt(bitPattern: vector[index].iov_base))
            let kept = checked(base, UInt64(UInt(bitPattern: Int(vector[index].iov_len))))
            // A negative length is EINVAL, which the kernel checks first.
            if kept != base { vector[index].iov_base = UnsafeMutableRawPointer(bitPattern: UInt(kept)) }
        }
    }
}
