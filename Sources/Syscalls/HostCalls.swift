import CShim
import Confinement
import LinuxABI
import Machine
import Process

/// The host calls that vmrun may make while a guest runs, for its system call filter: what the table can issue, and a few more.
public enum HostCalls {
    /// Reach of a guest's sockets.
    public enum Network {
        case host, none
    }

    /// - Parameter machineRequests: vmrun's own ioctl(2) requests, the most frequent one first.
    public static func filter(_ network: Network, machineRequests: [UInt32]) -> FilterProgram {
        FilterProgram(
            architecture: GuestCPU.auditArchitecture, rules: rules(network, machineRequests),
            frequent: FilterProgram.Frequent(UInt32(SYS_ioctl), argument: 1, value: machineRequests.first ?? 0))
    }

    /// The first rule for a number counts.
    static func rules(_ network: Network, _ machineRequests: [UInt32]) -> [FilterProgram.Rule] {
        var rules = [
            rule(SYS_ioctl, .allowValues(machineRequests + guestRequests(network), argument: 1)),
            rule(SYS_prctl, .allowValues(prctlOptions, argument: 0)),
            rule(SYS_socket, .allowValues(AddressFamilies.passedOn(network), argument: 0)),
            rule(SYS_socketpair, .allowValues(AddressFamilies.passedOn(network), argument: 0)),
            // No new namespaces.
            rule(SYS_clone, .allowWithout(bits: UInt32(truncatingIfNeeded: CloneRequest.newNamespaceMask & ~0xff), argument: 0)),
            rule(SYS_unshare, .allowWithout(bits: UInt32(truncatingIfNeeded: CloneRequest.newNamespaceMask), argument: 0)),
            // Its flags are in memory, where a filter cannot look. The C library then uses clone.
            rule(SYS_clone3, .refuse(UInt16(ENOSYS))),
            // No call's number. Where attention is wanted one that waits may be made so, and comes back at once (CShim/arm64/syscall.S).
            rule(-1, .refuse(UInt16(ENOSYS))),
        ]
        for number in ownCalls { rules.append(rule(number, .allow)) }
        for number in 0...SyscallTable.last {
            if let row = SyscallTable.row(number), row.reachesHost { rules.append(FilterProgram.Rule(number, .allow)) }
        }
        return rules
    }

    private static func rule(_ number: Int32, _ verdict: FilterVerdict) -> FilterProgram.Rule {
        FilterProgram.Rule(UInt32(bitPattern: number), verdict)
    }

    /// What vmrun and the C library in it need besides, when a fresh image starts, or a host thread.
    private static var ownCalls: [Int32] { [Int32(SYS_brk), Int32(SYS_rseq)] + processorCalls }

    /// Those of ioctl(2) that are passed on.
    static func guestRequests(_ network: Network) -> [UInt32] {
        IoctlCommand.allCases.filter { $0.isPassedOn && (network == .host || !$0.isOfNetworkDevices) }.map { $0.rawValue }
    }

    static var prctlOptions: [UInt32] {
        ProcessorControl.hostOptions + PrctlOption.allCases.filter { $0 != .PR_SET_SECCOMP && $0 != .PR_SET_MM }.map { $0.rawValue }
    }
}

extension IoctlCommand {
    fileprivate var isPassedOn: Bool {
        if case .refused = argument { return false }
        return true
    }
}

extension SyscallRow {
    /// Whether serving it may mean a host call of the same number.
    var reachesHost: Bool {
        switch handler {
        case .refuse: false
        // By newer calls, which take more.
        case .open, .creat, .stat, .lstat, .access, .readlink, .mkdir, .rmdir, .unlink, .rename, .renameat, .link, .symlink, .mknod,
            .chmod, .chown, .lchown, .utime, .utimes, .futimesat, .pipe, .accept, .getdents, .getrlimit, .setrlimit, .lsetxattr,
            .lgetxattr, .llistxattr, .lremovexattr, .fork, .vfork, .clone3, .execveat:
            false
        // By vmrun itself.
        case .brk, .getcwd, .chdir, .chroot, .sigaltstack, .mlockall, .munlockall, .arch_prctl, .clock_settime, .seccomp: false
        default: true
        }
    }
}
