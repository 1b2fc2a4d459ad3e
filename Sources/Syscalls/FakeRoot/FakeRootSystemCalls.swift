import CShim
import FakeRoot
import GuestMemory
import Host
import LinuxABI
import Machine
import Process

/// The Linux system call interface under `--fakeroot`: what has to do with who the guest is and whom files belong to is answered here,
/// all else as ever.
public final class FakeRootSystemCalls: SystemCallServer {
    private let ownership: OwnershipTable

    public init(_ ownership: OwnershipTable) { self.ownership = ownership }

    public func fastPath(_ number: UInt32) -> FastPath { FastPaths.path(of: number) }

    public func serveForwarded(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int {
        FastPaths.serve(thread, number, arguments) { serve(thread, number: number, arguments) }
    }

    public func serve(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int {
        guard let row = SyscallTable.row(UInt32(truncatingIfNeeded: number)) else { return GuestErrno.ENOSYS.result }
        let call = FakeRootCall(thread: thread, ownership: ownership, row: row, arguments: arguments)
        do throws(GuestErrno) { return try call.serve() } catch { return error.result }
    }
}

/// One system call of a guest under `--fakeroot`.
struct FakeRootCall {
    let thread: GuestThread
    let ownership: OwnershipTable
    let row: SyscallRow
    let arguments: SyscallArguments

    func serve() throws(GuestErrno) -> Int {
        switch row.handler {
        case .credential(let call):
            if call.changes { thread.cpu.forgetAnswers() }
            return try CredentialCalls.serve(thread, call, arguments)
        case .capget: return try CredentialCalls.capget(thread, arguments)
        case .prctl: return try CredentialCalls.prctl(thread, arguments) ?? plain()

        case .stat, .lstat, .fstat, .newfstatat: return try status()
        case .statx: return try statx()
        case .access: return try access(AT_FDCWD, arguments.a0, arguments.a1, 0)
        case .faccessat: return try access(directory, arguments.a1, arguments.a2, 0)
        case .faccessat2: return try access(directory, arguments.a1, arguments.a2, PathCalls.flags(arguments.a3))

        case .chown: return try chown(AT_FDCWD, arguments.a0, arguments.a1, arguments.a2, 0)
        case .lchown: return try chown(AT_FDCWD, arguments.a0, arguments.a1, arguments.a2, VMRUN_AT_SYMLINK_NOFOLLOW)
        case .fchownat:
            return try chown(directory, arguments.a1, arguments.a2, arguments.a3, PathCalls.flags(arguments.a4))
        case .fchown: return try fchown()
        case .chmod: return try chmod(AT_FDCWD, arguments.a0, arguments.a1, 0)
        case .fchmodat: return try chmod(directory, arguments.a1, arguments.a2, 0)
        case .fchmodat2: return try chmod(directory, arguments.a1, arguments.a2, PathCalls.flags(arguments.a3))
        case .fchmod: return try fchmod()

        case .setxattr, .lsetxattr, .fsetxattr: return try setAttribute(nameAt: 1)
        case .setxattrat: return try setAttribute(nameAt: 3)

        case .mkdir: return try mkdir(AT_FDCWD, arguments.a0, arguments.a1, modeAt: 1)
        case .mkdirat: return try mkdir(directory, arguments.a1, arguments.a2, modeAt: 2)
        case .mknod: return try mknod(AT_FDCWD, arguments.a0, arguments.a1, arguments.a2, modeAt: 1)
        case .mknodat: return try mknod(directory, arguments.a1, arguments.a2, arguments.a3, modeAt: 2)
        case .symlink: return try created(plain(), AT_FDCWD, arguments.a1)
        case .symlinkat: return try created(plain(), PathCalls.descriptor(arguments.a1), arguments.a2)
        case .open: return try open(AT_FDCWD, arguments.a0, flagsAt: 1)
        case .openat: return try open(directory, arguments.a1, flagsAt: 2)
        case .creat: return try open(AT_FDCWD, arguments.a0, flagsAt: nil)
        case .openat2: return try open(directory, arguments.a1, flagsAt: nil)
        case .getsockopt:
            let result = plain()
            let isPeer =
                Int32(truncatingIfNeeded: arguments.a1) == SOL_SOCKET
                && Int32(truncatingIfNeeded: arguments.a2) == PeerCredentials.SO_PEERCRED
            if result == 0 && isPeer { try PeerCredentials.showOption(thread, arguments) }
            return result
        default: return plain()
        }
    }

    /// The call as without `--fakeroot`.
    func plain() -> Int { plain(arguments) }

    func plain(_ arguments: SyscallArguments) -> Int {
        Dispatcher.dispatch(thread, number: UInt64(row.number), arguments)
    }

    /// The directory of an *at call, which is its first argument.
    var directory: Int32 { PathCalls.descriptor(arguments.a0) }

    /// The caller's own.
    var credentials: FakeCredentials { thread.credentials ?? FakeCredentials(user: 0, group: 0, groups: []) }
}
