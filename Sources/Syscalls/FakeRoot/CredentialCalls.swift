import CShim
import FakeRoot
import GuestMemory
import Host
import LinuxABI
import Process

/// The calls that ask or change who the caller is. Without `--fakeroot` the host serves them.
public enum CredentialCall {
    case getuid, geteuid, getgid, getegid, getresuid, getresgid, getgroups
    case setuid, setreuid, setresuid, setfsuid, setgid, setregid, setresgid, setfsgid, setgroups, capset

    /// Whether it changes what a thread passes on to the threads that it makes.
    var changes: Bool {
        switch self {
        case .getuid, .geteuid, .getgid, .getegid, .getresuid, .getresgid, .getgroups: false
        default: true
        }
    }
}

/// credentials(7) of the guest's own under `--fakeroot`.
enum CredentialCalls {
    static func serve(_ thread: GuestThread, _ call: CredentialCall, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        guard var credentials = thread.credentials else { throw .EPERM }
        func id(_ argument: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: argument) }
        var result: UInt32 = 0
        switch call {
        case .getuid: return Int(credentials.user.real)
        case .geteuid: return Int(credentials.user.effective)
        case .getgid: return Int(credentials.group.real)
        case .getegid: return Int(credentials.group.effective)
        case .getresuid: return try deliver(credentials.user, args)
        case .getresgid: return try deliver(credentials.group, args)
        case .getgroups: return try getgroups(credentials, args)
        case .setuid: try credentials.setuid(id(args.a0))
        case .setreuid: try credentials.setreuid(id(args.a0), id(args.a1))
        case .setresuid: try credentials.setresuid(id(args.a0), id(args.a1), id(args.a2))
        case .setfsuid: result = credentials.setfsuid(id(args.a0))
        case .setgid: try credentials.setgid(id(args.a0))
        case .setregid: try credentials.setregid(id(args.a0), id(args.a1))
        case .setresgid: try credentials.setresgid(id(args.a0), id(args.a1), id(args.a2))
        case .setfsgid: result = credentials.setfsgid(id(args.a0))
        case .setgroups: try setgroups(&credentials, args)
        case .capset: try capset(thread, &credentials, args)
        }
        thread.credentials = credentials
        return Int(result)
    }

    private static func deliver(_ ids: FakeCredentials.IDs, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try GuestAccess.write(ids.real, at: GuestAddress(args.a0))
        try GuestAccess.write(ids.effective, at: GuestAddress(args.a1))
        try GuestAccess.write(ids.saved, at: GuestAddress(args.a2))
        return 0
    }

    // MARK: groups

    private static func getgroups(_ credentials: FakeCredentials, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let room = Int(Int32(truncatingIfNeeded: args.a0))
        let groups = credentials.groups
        if room < 0 || (room > 0 && groups.count > room) { throw .EINVAL }
        if room > 0 {
            for (index, group) in groups.enumerated() { try GuestAccess.write(group, at: GuestAddress(args.a1) + index * 4) }
        }
        return groups.count
    }

    private static func setgroups(_ credentials: inout FakeCredentials, _ args: SyscallArguments) throws(GuestErrno) {
        guard credentials.has(Capabilities.setgid) else { throw .EPERM }
        let count = Int(UInt32(truncatingIfNeeded: args.a0))
        if count > FakeCredentials.groupsLimit { throw .EINVAL }
        var groups: [UInt32] = []
        groups.reserveCapacity(count)
        for index in 0..<count {
            groups.append(try GuestAccess.read(UInt32.self, at: GuestAddress(args.a1) + index * 4))
        }
        try credentials.setgroups(groups)
    }

    // MARK: capabilities

    /// struct __user_cap_header_struct.
    private typealias Header = (version: UInt32, pid: Int32)
    /// struct __user_cap_data_struct.
    private typealias Sets = (effective: UInt32, permitted: UInt32, inheritable: UInt32)

    /// How many structures of data a version has; nil where the version was unknown, and the kernel's own has been written there.
    private static func structures(_ header: Header, at address: UInt64) throws(GuestErrno) -> Int? {
        switch header.version {
        case 0x1998_0330: return 1
        case 0x2007_1026, 0x2008_0522: return 2
        default:
            try GuestAccess.write(0x2008_0522 as UInt32, at: GuestAddress(address))
            return nil
        }
    }

    /// capget(2). Other processes of the session are asked by what they published of themselves.
    static func capget(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let header = try GuestAccess.read(Header.self, at: GuestAddress(args.a0))
        guard let count = try structures(header, at: args.a0) else {
            // Asking for the version only.
            if args.a1 == 0 { return 0 }
            throw .EINVAL
        }
        if header.pid < 0 { throw .EINVAL }
        var sets = thread.credentials?.capabilities
        if header.pid != 0 && header.pid != thread.tid && header.pid != thread.process.pid {
            guard thread.process.session.isMember(header.pid) else { throw .ESRCH }
            sets = thread.process.session.credentials(of: header.pid)?.capabilities
        }
        guard let sets else { throw .ESRCH }
        if args.a1 == 0 { return 0 }
        for index in 0..<count {
            let shift = UInt64(index) * 32
            func half(_ set: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: set >> shift) }
            let data: Sets = (half(sets.effective), half(sets.permitted), half(sets.inheritable))
            try GuestAccess.write(data, at: GuestAddress(args.a1) + index * 12)
        }
        return 0
    }

    private static func capset(
        _ thread: GuestThread, _ credentials: inout FakeCredentials, _ args: SyscallArguments
    ) throws(GuestErrno) {
        let header = try GuestAccess.read(Header.self, at: GuestAddress(args.a0))
        guard let count = try structures(header, at: args.a0) else { throw .EINVAL }
        if header.pid != 0 && header.pid != thread.tid { throw .EPERM }
        var effective: UInt64 = 0
        var permitted: UInt64 = 0
        var inheritable: UInt64 = 0
        for index in 0..<count {
            let data = try GuestAccess.read(Sets.self, at: GuestAddress(args.a1) + index * 12)
            let shift = UInt64(index) * 32
            effective |= UInt64(data.effective) << shift
            permitted |= UInt64(data.permitted) << shift
            inheritable |= UInt64(data.inheritable) << shift
        }
        try credentials.capset(permitted: permitted, effective: effective, inheritable: inheritable)
    }

    /// prctl(2), as far as it is about credentials; nil for all else.
    static func prctl(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int? {
        guard var credentials = thread.credentials else { return nil }
        var result = 0
        guard let option = PrctlOption(rawValue: UInt32(truncatingIfNeeded: args.a0)) else { return nil }
        switch option {
        case .PR_CAPBSET_READ: return try credentials.isBounding(args.a1) ? 1 : 0
        case .PR_CAPBSET_DROP: try credentials.dropBounding(args.a1)
        case .PR_GET_KEEPCAPS: return credentials.keepsCapabilities ? 1 : 0
        case .PR_SET_KEEPCAPS: try credentials.setKeepsCapabilities(args.a1)
        case .PR_GET_SECUREBITS: return Int(credentials.secureBits)
        case .PR_SET_SECUREBITS: try credentials.setSecureBits(args.a1)
        case .PR_CAP_AMBIENT:
            if args.a3 != 0 || args.a4 != 0 { throw .EINVAL }
            result = try credentials.ambient(args.a1, args.a2)
        default: return nil
        }
        thread.credentials = credentials
        return result
    }
}
