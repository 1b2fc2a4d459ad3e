import CShim
import Host

/// The process's memory as a file, through which text can be written that is mapped read-only, and read what is mapped without access: as a
/// debugger does. What is written of a private mapping is this process's own copy.
public struct ProcessText {
    private let descriptor: Int32

    /// Nil where the host does not allow it, as for a process whose user has changed.
    public init?() {
        let result = "/proc/thread-self/mem".withCString {
            Host.raw(Int32(SYS_openat), Int(AT_FDCWD), $0.argument, Int(O_RDWR | O_CLOEXEC))
        }
        guard result >= 0 else { return nil }
        // A fork child's memory is another one.
        descriptor = InternalDescriptors.adoptForMachine(Int32(truncatingIfNeeded: result))
        if descriptor < 0 { return nil }
    }

    public func close() { Host.close(descriptor) }

    /// The lowest `count` bytes of `bytes`.
    func write(_ bytes: UInt64, count: Int, at address: UInt64) -> Bool {
        withUnsafeBytes(of: bytes.littleEndian) { write(UnsafeRawBufferPointer(rebasing: $0[..<count]), at: address) }
    }

    /// All of `bytes` at an address that the caller has checked.
    public func write(_ bytes: UnsafeRawBufferPointer, at address: UInt64) -> Bool {
        Host.raw(Int32(SYS_pwrite64), Int(descriptor), Int(bitPattern: bytes.baseAddress), bytes.count, Int(address)) == bytes.count
    }

    /// As much of `count` bytes as there is at an address that the caller has checked.
    public func read(at address: UInt64, count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(Host.raw(Int32(SYS_pread64), Int(descriptor), Int(bitPattern: buffer.baseAddress), count, Int(address)), 0)
        }
    }
}
