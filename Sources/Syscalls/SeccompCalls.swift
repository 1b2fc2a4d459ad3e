import CShim
import FakeRoot
import GuestMemory
import LinuxABI
import Process
import Seccomp

/// seccomp(2), and what prctl(2) has of it.
enum SeccompCalls {
    // linux/seccomp.h
    private static let setModeStrict: UInt32 = 0
    private static let setModeFilter: UInt32 = 1
    private static let getActionAvailable: UInt32 = 2
    private static let synchronize: UInt64 = 1
    private static let log: UInt64 = 2
    private static let allowSpeculation: UInt64 = 4
    private static let synchronizeError: UInt64 = 16
    private static let modeStrict: UInt64 = 1
    private static let modeFilter: UInt64 = 2

    /// SECCOMP_FILTER_FLAG_NEW_LISTENER and what belongs to it are not there: EINVAL, as on a kernel before Linux 5.0.
    static func seccomp(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        switch UInt32(truncatingIfNeeded: args.a0) {
        case setModeStrict:
            if UInt32(truncatingIfNeeded: args.a1) != 0 || args.a2 != 0 { throw .EINVAL }
            try thread.confineStrictly()
            return 0
        case setModeFilter:
            return try install(thread, flags: args.a1 & 0xffff_ffff, at: args.a2)
        case getActionAvailable:
            if UInt32(truncatingIfNeeded: args.a1) != 0 { throw .EINVAL }
            guard SystemCallAnswer.isKnown(try GuestAccess.read(UInt32.self, at: GuestAddress(args.a2))) else { throw .EOPNOTSUPP }
            return 0
        default: throw .EINVAL
        }
    }

    /// PR_SET_SECCOMP.
    static func setMode(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        switch args.a1 {
        case modeStrict:
            try thread.confineStrictly()
            return 0
        case modeFilter: return try install(thread, flags: 0, at: args.a2)
        default: throw .EINVAL
        }
    }

    private static func install(_ thread: GuestThread, flags: UInt64, at address: UInt64) throws(GuestErrno) -> Int {
        if flags & ~(synchronize | log | allowSpeculation | synchronizeError) != 0 { throw .EINVAL }
        // struct sock_fprog: a length, and behind padding the instructions' address.
        let count = try GuestAccess.read(UInt16.self, at: GuestAddress(address))
        let program = try GuestAccess.read(UInt64.self, at: GuestAddress(address &+ 8))
        if count == 0 || Int(count) > SystemCallFilter.mostInstructions { throw .EINVAL }
        if !thread.hasRenouncedPrivileges && !mayAdministrate(thread) { throw .EACCES }
        if program == 0 { throw .EINVAL }
        var bytes = [UInt8](repeating: 0, count: Int(count) * MemoryLayout<FilterInstruction>.stride)
        let failure: GuestErrno? = bytes.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return .EINVAL }
            do throws(GuestErrno) { try GuestAccess.copyIn(base, from: GuestAddress(program), count: buffer.count) } catch { return error }
            return nil
        }
        if let failure { throw failure }
        guard let filter = SystemCallFilter(bytes: bytes) else { throw .EINVAL }
        let blamed = try thread.addFilter(filter, synchronizes: flags & synchronize != 0)
        if blamed != 0 && flags & synchronizeError != 0 { throw .ESRCH }
        return Int(blamed)
    }

    private static let CAP_SYS_ADMIN = 21

    private static func mayAdministrate(_ thread: GuestThread) -> Bool {
        thread.credentials?.has(CAP_SYS_ADMIN) ?? HostCapabilities.has(UInt32(CAP_SYS_ADMIN))
    }
}
