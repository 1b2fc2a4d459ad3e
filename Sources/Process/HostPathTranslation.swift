import Sysroot
import SyntheticFS

/// The resolver tells /proc what host paths are called in the guest.
extension FileSystemContext: PathTranslator {
    public func guestPath(fromHost path: [UInt8]) -> [UInt8]? { visiblePath(ofHostPath: path) }
}
