import CShim

/// The identity of synthetic objects: one device for all, and the path's hash for an inode number, so that two paths never
/// share an identity and no walker sees a loop.
public enum SyntheticIdentity {
    /// Major 0, as all unnamed devices; a minor number that the kernel, which counts up from 1, does not get to.
    public static let deviceMinor: UInt32 = 0x766d
    /// The same as st_dev holds it (new_encode_dev).
    public static let device: UInt64 = UInt64(deviceMinor & 0xff) | UInt64(deviceMinor & ~0xff) << 12
    public static let blockSize = 4096

    public static func inode(_ path: [UInt8]) -> UInt64 { FNV1a.hash(path) }

    /// The inode of an entry in a directory, without joining the path.
    static func inode(_ name: [UInt8], in directory: [UInt8]) -> UInt64 {
        FNV1a.hash(name, from: FNV1a.hash([UInt8(ascii: "/")], from: FNV1a.hash(directory)))
    }

    static func apply(_ path: [UInt8], to status: UnsafeMutablePointer<stat>) {
        status.pointee.st_dev = dev_t(device)
        status.pointee.st_ino = ino_t(inode(path))
        status.pointee.st_blksize = numericCast(blockSize)
    }
}
