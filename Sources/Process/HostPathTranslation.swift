import SyntheticFS
import Sysroot

/// The resolver tells /proc what host paths are called in the guest.
extension FileSystemContext: PathTranslator {}
