import CShim
import Host
import SyntheticFS

/// Files that cannot be executed because they may be written.
enum WrittenFile {
    /// Whether a member has the file open for writing. The kernel tells it of a file of one's own, by refusing a lease
    /// (`ProgramFiles`); here it is another user's, which somebody in the session may nevertheless write.
    static func isHeld(_ descriptor: Int32, in session: Session) -> Bool {
        let leased = Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(VMRUN_F_SETLEASE), Int(F_RDLCK))
        if leased == 0 { _ = Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(VMRUN_F_SETLEASE), Int(F_UNLCK)) }
        guard leased == -Int(EACCES) else { return false }
        // Nearly always nobody may: the search below is for the rest.
        let mayWrite = "".withCString {
            Host.raw(
                Int32(SYS_faccessat2), Int(descriptor), $0.argument, Int(W_OK), Int(VMRUN_AT_EMPTY_PATH | VMRUN_AT_EACCESS))
        }
        guard mayWrite == 0, let wanted = Host.status(of: descriptor) else { return false }
        return session.members().contains { pid in
            HostProcesses.descriptors(of: pid).contains { isWritable("/proc/\(pid)/fd/\($0)", wanted) }
        }
    }

    /// Whether a link of /proc/PID/fd leads to the file and was opened for writing, which the link's own mode says.
    private static func isWritable(_ link: String, _ wanted: stat) -> Bool {
        link.withCString { path in
            var status = stat()
            let isFound = withUnsafeMutablePointer(to: &status) {
                Host.raw(Int32(SYS_newfstatat), Int(AT_FDCWD), path.argument, $0.argument, 0) == 0
            }
            guard isFound, status.st_ino == wanted.st_ino, status.st_dev == wanted.st_dev else { return false }
            let isRead = withUnsafeMutablePointer(to: &status) {
                Host.raw(Int32(SYS_newfstatat), Int(AT_FDCWD), path.argument, $0.argument, Int(AT_SYMLINK_NOFOLLOW)) == 0
            }
            return isRead && status.st_mode & 0o200 != 0
        }
    }
}
