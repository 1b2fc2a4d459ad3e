import CShim

/// Per-thread buffers, so that the system call path allocates nothing.
public final class Scratch {
    public static let pathCapacity = 4096
    public static let dataCapacity = 64 * 1024

    /// Two paths of PATH_MAX bytes: calls that take two (rename, link) use both.
    public let path: UnsafeMutableBufferPointer<CChar>
    public let secondPath: UnsafeMutableBufferPointer<CChar>
    /// Structures, iovecs, poll tables. 16-byte aligned.
    public let data: UnsafeMutableRawBufferPointer

    init() {
        path = .allocate(capacity: Self.pathCapacity)
        secondPath = .allocate(capacity: Self.pathCapacity)
        data = .allocate(byteCount: Self.dataCapacity, alignment: 16)
    }

    private var isDisposed = false

    deinit { dispose() }

    /// Frees the buffers before the object goes.
    func dispose() {
        if isDisposed { return }
        isDisposed = true
        path.deallocate()
        secondPath.deallocate()
        data.deallocate()
    }
}
