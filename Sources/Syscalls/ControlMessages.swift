import CShim
import Host

/// A walk over the ancillary data of a message: cmsg(3), on a copy of vmrun's own.
struct ControlMessages {
    private let base: UnsafeMutableRawPointer
    private let length: Int
    private var next = 0

    /// struct cmsghdr: a size_t length that counts the header, level, type.
    static let headerSize = 16

    init(_ base: UnsafeMutableRawPointer, length: Int) {
        self.base = base
        self.length = length
    }

    /// One message: where its header is, and how many bytes of data it has.
    struct Entry {
        var offset: Int
        var dataLength: Int
        var level: Int32
        var type: Int32

        var dataOffset: Int { offset + ControlMessages.headerSize }
        /// SCM_RIGHTS and SCM_PIDFD: descriptors.
        var carriesDescriptors: Bool { level == SOL_SOCKET && (type == 1 || type == 4) }
    }

    /// The next message; nil at the end or where the lengths do not fit, which is for the kernel to refuse.
    mutating func advance() -> Entry? {
        guard length - next >= Self.headerSize else { return nil }
        let size = base.load(fromByteOffset: next, as: UInt64.self)
        guard size >= UInt64(Self.headerSize), size <= UInt64(length - next) else { return nil }
        let entry = Entry(
            offset: next, dataLength: Int(size) - Self.headerSize,
            level: base.load(fromByteOffset: next + 8, as: Int32.self),
            type: base.load(fromByteOffset: next + 12, as: Int32.self))
        next = min(length, next + ((Int(size) + 7) & ~7))
        return entry
    }

    /// On the way out: descriptors of vmrun's among SCM_RIGHTS become -1, for which the kernel answers EBADF.
    static func hideInternal(_ base: UnsafeMutableRawPointer, length: Int) {
        var walk = ControlMessages(base, length: length)
        while let entry = walk.advance() {
            guard entry.carriesDescriptors else { continue }
            for index in 0..<entry.dataLength / 4 {
                let offset = entry.dataOffset + index * 4
                if InternalDescriptors.contains(base.load(fromByteOffset: offset, as: Int32.self)) {
                    base.storeBytes(of: -1, toByteOffset: offset, as: Int32.self)
                }
            }
        }
    }

    /// On the way in: descriptors at numbers that the guest's limit does not allow are closed and cut off, as the kernel
    /// does where the table is full. Answers the length that is left; less than `length` means MSG_CTRUNC.
    static func admit(_ base: UnsafeMutableRawPointer, length: Int) -> Int {
        var walk = ControlMessages(base, length: length)
        var end: Int? = nil
        while let entry = walk.advance() {
            guard entry.carriesDescriptors else { continue }
            var kept = 0
            for index in 0..<entry.dataLength / 4 {
                let descriptor = base.load(fromByteOffset: entry.dataOffset + index * 4, as: Int32.self)
                if descriptor < 0 { continue }
                if end == nil && UInt64(descriptor) < InternalDescriptors.openLimit {
                    kept = index + 1
                } else {
                    _ = Host.raw(Int32(SYS_close), Int(descriptor))
                    if end == nil {
                        end = kept == 0 ? entry.offset : entry.dataOffset + kept * 4
                        base.storeBytes(of: UInt64(headerSize + kept * 4), toByteOffset: entry.offset, as: UInt64.self)
                    }
                }
            }
        }
        return end ?? length
    }

    /// Calls `body` for every descriptor that came with a message.
    @inline(__always)
    static func forEachDescriptor(_ base: UnsafeMutableRawPointer, length: Int, _ body: (Int32) -> Void) {
        var walk = ControlMessages(base, length: length)
        while let entry = walk.advance() {
            guard entry.carriesDescriptors else { continue }
            for index in 0..<entry.dataLength / 4 {
                let descriptor = base.load(fromByteOffset: entry.dataOffset + index * 4, as: Int32.self)
                if descriptor >= 0 { body(descriptor) }
            }
        }
    }
}
