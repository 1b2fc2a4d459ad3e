import CShim

/// The host-system-call boundary. Every call vmrun makes for itself goes through here; guest calls that are forwarded go
/// through `vmrun_interruptible_syscall`.
public enum Host {
    /// The raw call: the kernel's value, or -errno.
    @inlinable
    public static func raw(
        _ number: Int32, _ a0: Int = 0, _ a1: Int = 0, _ a2: Int = 0, _ a3: Int = 0, _ a4: Int = 0, _ a5: Int = 0
    ) -> Int {
        vmrun_syscall(Int(number), a0, a1, a2, a3, a4, a5)
    }

    /// As `raw`, with errors thrown. With `retryOnInterrupt` a call that a signal ended is made again.
    @inlinable
    @discardableResult
    public static func call(
        _ number: Int32, _ a0: Int = 0, _ a1: Int = 0, _ a2: Int = 0, _ a3: Int = 0, _ a4: Int = 0, _ a5: Int = 0,
        retryOnInterrupt: Bool = false
    ) throws(HostError) -> Int {
        while true {
            let result = raw(number, a0, a1, a2, a3, a4, a5)
            if result >= 0 || result < -4095 { return result }
            if retryOnInterrupt && result == -Int(EINTR) { continue }
            throw HostError(Int32(-result))
        }
    }
}

extension Host {
    /// The start of a small file, as much as one read of `capacity` bytes gives, lent to `body`; nil where there is nothing.
    public static func withFileStart<Result>(
        _ path: String, capacity: Int, _ body: (UnsafeRawBufferPointer) -> Result?
    ) -> Result? {
        let descriptor = path.withCString {
            raw(Int32(SYS_openat), Int(AT_FDCWD), $0.argument, Int(O_RDONLY | O_CLOEXEC))
        }
        guard descriptor >= 0 else { return nil }
        defer { _ = raw(Int32(SYS_close), descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 8) { buffer -> Result? in
            let count = raw(Int32(SYS_read), descriptor, Int(bitPattern: buffer.baseAddress), buffer.count)
            guard count > 0 else { return nil }
            return body(UnsafeRawBufferPointer(rebasing: buffer[0..<count]))
        }
    }
}

extension UnsafePointer {
    /// The address as a system call argument.
    @inlinable
    public var argument: Int { Int(bitPattern: self) }
}

extension UnsafeMutablePointer {
    /// The address as a system call argument.
    @inlinable
    public var argument: Int { Int(bitPattern: self) }
}

extension UnsafeRawPointer {
    /// The address as a system call argument.
    @inlinable
    public var argument: Int { Int(bitPattern: self) }
}

extension UnsafeMutableRawPointer {
    /// The address as a system call argument.
    @inlinable
    public var argument: Int { Int(bitPattern: self) }
}
