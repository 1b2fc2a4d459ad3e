import LinuxABI

/// How GuestImage reaches the guest's files; it never handles a path itself.
public protocol ProgramOpener: AnyObject {
    /// Opens a program or an interpreter for execution: resolves `path` inside the guest's root from the guest's working
    /// directory, follows links, and answers a descriptor that can be read and mapped. The caller owns it. Errors are
    /// those of open_exec() in fs/exec.c: ENOENT, ENOTDIR, ELOOP, EACCES (not a regular file, no execute permission,
    /// mounted noexec), ETXTBSY, ENFILE, EMFILE, ENOMEM.
    func openExecutable(path: [UInt8]) throws(GuestErrno) -> Int32

    /// As `openExecutable` for an absolute path of the host's. Only for paths of vmrun's own choice.
    func openOnHost(path: [UInt8]) throws(GuestErrno) -> Int32

    /// The absolute guest path of a descriptor that `openExecutable` answered, links resolved: what /proc/self/exe shows.
    func guestPath(ofExecutable descriptor: Int32) -> [UInt8]
}
