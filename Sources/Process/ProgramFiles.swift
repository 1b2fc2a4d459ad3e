import CShim
import GuestImage
import Host
import LinuxABI
import Sysroot

/// Opens programs inside the guest's view, by the rules of the kernel's open_exec().
public final class ProgramFiles: ProgramOpener {
    private let files: FileSystemContext

    public init(_ files: FileSystemContext) { self.files = files }

    public func openExecutable(path: [UInt8]) throws(GuestErrno) -> Int32 {
        try Self.admit(try files.openForReading(path))
    }

    public func openOnHost(path: [UInt8]) throws(GuestErrno) -> Int32 {
        let opened = (path + [0]).withUnsafeBytes {
            Host.raw(Int32(SYS_openat), Int(AT_FDCWD), Int(bitPattern: $0.baseAddress), Int(O_RDONLY | O_CLOEXEC))
        }
        if opened < 0 { throw GuestErrno(Int32(truncatingIfNeeded: -opened)) }
        return try Self.admit(Int32(truncatingIfNeeded: opened))
    }

    public func guestPath(ofExecutable descriptor: Int32) -> [UInt8] {
        files.guestPath(ofDescriptor: descriptor) ?? []
    }

    /// Takes `descriptor` over into vmrun's window. EACCES where it is no regular file or not executable for this user.
    static func admit(_ descriptor: Int32) throws(GuestErrno) -> Int32 {
        let own = InternalDescriptors.adopt(descriptor)
        if own < 0 { throw .EMFILE }
        var status = stat()
        let found = withUnsafeMutablePointer(to: &status) { Host.raw(Int32(SYS_fstat), Int(own), $0.argument) }
        let isRegular = status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG)
        // By the effective ids, as exec checks.
        let allowed = "".withCString {
            Host.raw(Int32(SYS_faccessat2), Int(own), $0.argument, Int(X_OK), Int(VMRUN_AT_EMPTY_PATH | VMRUN_AT_EACCESS))
        }
        guard isRegular, allowed == 0 else {
            Host.close(own)
            throw found < 0 ? GuestErrno(Int32(-found)) : isRegular ? GuestErrno(Int32(-allowed)) : .EACCES
        }
        // A read lease is what the kernel refuses for a file that somebody has open for writing, whoever it is. Only owners
        // may ask; for others' files the answer stays unknown and the program runs.
        let leased = Host.raw(Int32(SYS_fcntl), Int(own), Int(VMRUN_F_SETLEASE), Int(F_RDLCK))
        if leased == 0 { _ = Host.raw(Int32(SYS_fcntl), Int(own), Int(VMRUN_F_SETLEASE), Int(F_UNLCK)) }
        if leased == -Int(EAGAIN) {
            _ = Host.raw(Int32(SYS_close), Int(own))
            throw .ETXTBSY
        }
        return own
    }
}

extension GuestThread {
    /// What execveat(2) names below a descriptor, or the descriptor itself with an empty path.
    public func executableSource(
        directory: Int32, path: [UInt8], followLast: Bool
    ) throws(GuestErrno) -> PreparedProgram.Source {
        if directory != AT_FDCWD && (directory < 0 || InternalDescriptors.contains(directory)) && path.first != 0x2f {
            throw .EBADF
        }
        var name = Array("/dev/fd/\(directory)".utf8)
        let opened: Int
        if path.isEmpty && directory == AT_FDCWD { throw .EACCES }
        if path.isEmpty {
            // Opening a pipe would wait, and a socket cannot be opened.
            var status = stat()
            let found = withUnsafeMutablePointer(to: &status) { Host.raw(Int32(SYS_fstat), Int(directory), $0.argument) }
            if found < 0 { throw GuestErrno(Int32(truncatingIfNeeded: -found)) }
            if status.st_mode & mode_t(S_IFMT) != mode_t(S_IFREG) { throw .EACCES }
            // The object behind the descriptor, whatever became of its name.
            opened = "/proc/thread-self/fd/\(directory)".withCString {
                Host.raw(Int32(SYS_openat), Int(AT_FDCWD), $0.argument, Int(O_RDONLY | O_CLOEXEC))
            }
            if opened < 0 { throw GuestErrno(Int32(-opened)) }
        } else {
            name.append(UInt8(ascii: "/"))
            name.append(contentsOf: path)
            let noFollow = followLast ? 0 : Int(O_NOFOLLOW)
            let request = OpenRequest(flags: Int(O_RDONLY | O_CLOEXEC) | noFollow, mode: 0)
            opened = try files.withPathBytes(path) { (bytes) throws(GuestErrno) in
                try files.open(bytes, from: directory, request, attention: nil)
            }
        }
        let flags = Host.raw(Int32(SYS_fcntl), Int(directory), Int(F_GETFD))
        let closesOnExec = directory != AT_FDCWD && flags > 0 && flags & Int(FD_CLOEXEC) != 0
        let descriptor = try ProgramFiles.admit(Int32(truncatingIfNeeded: opened))
        if directory == AT_FDCWD || path.first == 0x2f { name = path }
        return .descriptor(descriptor, name: name, closesOnExec: closesOnExec)
    }
}
