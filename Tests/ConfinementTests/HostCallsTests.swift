import CShim
import Confinement
import Glibc
import KVM
import LinuxABI
import Machine
import Testing

@testable import Syscalls

private let filter = HostCalls.filter(.host, machineRequests: KVMRequests.all)

private func answer(_ number: Int32, _ arguments: UInt64..., in program: FilterProgram = filter) -> UInt32? {
    run(program, architecture: GuestCPU.auditArchitecture, number: UInt32(bitPattern: number), arguments)?.answer
}

/// The kernel takes no longer ones (BPF_MAXINSNS).
@Test func theProgramIsShortEnough() { #expect(filter.instructions.count < 4096) }

@Test func whatTheTableRefusesIsKilled() {
    var count = 0
    for number in 0...SyscallTable.last {
        guard let row = SyscallTable.row(number), case .refuse = row.handler, number != UInt32(SYS_rseq) else { continue }
        #expect(answer(Int32(number)) == killed, "\(row.name)")
        count += 1
    }
    #expect(count > 80)
}

/// By name: that the table refuses them is one decision, that vmrun cannot make them is another.
@Test func whatWouldReachTheHostIsKilled() {
    for number in [
        SYS_ptrace, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_setns, SYS_bpf, SYS_perf_event_open, SYS_kexec_load,
        SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_settimeofday,
        SYS_clock_settime, SYS_sethostname, SYS_setdomainname, SYS_syslog, SYS_quotactl, SYS_add_key, SYS_request_key, SYS_keyctl,
        SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_userfaultfd, SYS_open_by_handle_at, SYS_fanotify_init,
        SYS_execveat, SYS_seccomp, SYS_landlock_create_ruleset, SYS_landlock_restrict_self, SYS_open_tree, SYS_move_mount, SYS_fsopen,
        SYS_vhangup, SYS_io_setup, SYS_io_submit, SYS_memfd_secret,
    ] as [Int32] {
        #expect(answer(number) == killed, "\(number)")
    }
}

@Test func whatTheTablePassesOnIsAllowed() {
    let looksAtArguments = [SYS_ioctl, SYS_prctl, SYS_socket, SYS_socketpair, SYS_clone, SYS_unshare].map { UInt32($0) }
    var count = 0
    for number in 0...SyscallTable.last {
        guard let row = SyscallTable.row(number), row.reachesHost, !looksAtArguments.contains(number) else { continue }
        #expect(answer(Int32(number), .max, .max, .max, .max, .max, .max) == allowed, "\(row.name)")
        count += 1
    }
    #expect(count > 200)
}

/// The files of a directory and all below it.
private func texts(below path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var result: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)) }
        // Programs beside vmrun, which nothing confines.
        if name.hasPrefix(".") || ["RootDirectory", "vmrun-oci", "vmrun-root"].contains(name) { continue }
        if entry.pointee.d_type == UInt8(DT_DIR) { result += texts(below: path + "/" + name) }
        guard entry.pointee.d_type == UInt8(DT_REG), let file = fopen(path + "/" + name, "r") else { continue }
        defer { fclose(file) }
        let content = [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in count = fread(buffer.baseAddress, 1, 1 << 20, file) }
        result.append(String(decoding: content, as: UTF8.self))
    }
    return result
}

/// Every call that stands in the sources is one that the filter allows: the list of what handlers do without cannot go wrong unseen.
@Test func whatTheSourcesNameIsAllowed() {
    let sources = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/Sources"
    // Before the guest runs, or with numbers in their arguments that have tests of their own.
    let others: Set<String> = [
        "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "clone3", "ioctl", "prctl", "socket",
        "socketpair", "clone", "unshare",
    ]
    var numbers: [String: UInt32] = ["rseq": UInt32(SYS_rseq)]
    for number in 0...SyscallTable.last {
        if let row = SyscallTable.row(number) { numbers["\(row.name)"] = number }
    }
    var names: Set<String> = []
    for text in texts(below: sources) {
        for match in text.matches(of: #/SYS_(\w+)/#) { names.insert(String(match.1)) }
    }
    #expect(names.count > 100)
    for name in names.subtracting(others) {
        // Calls of the other architecture.
        guard let number = numbers[name] else { continue }
        #expect(answer(Int32(number)) == allowed, "\(name)")
    }
}

@Test func requestsOfDevicesAreListed() {
    for request in KVMRequests.all { #expect(answer(Int32(SYS_ioctl), 3, UInt64(request)) == allowed) }
    for command in IoctlCommand.allCases {
        var isRefused = false
        if case .refused = command.argument { isRefused = true }
        #expect(answer(Int32(SYS_ioctl), 3, UInt64(command.rawValue)) == (isRefused ? killed : allowed), "\(command)")
    }
    // KVM_CREATE_DEVICE, KVM_SET_GUEST_DEBUG, a disk's, TUNSETIFF.
    for request in [0xc00c_aee0, 0x4048_ae9b, 0x125d, 0x4004_54ca, 0] as [UInt64] {
        #expect(answer(Int32(SYS_ioctl), 3, request) == killed)
    }
}

@Test func optionsOfProcessesAreListed() {
    for option in PrctlOption.allCases {
        let isKept = option == .PR_SET_SECCOMP || option == .PR_SET_MM
        #expect(answer(Int32(SYS_prctl), UInt64(option.rawValue)) == (isKept ? killed : allowed), "\(option)")
    }
    // PR_SET_PTRACER, PR_SCHED_CORE, PR_SET_SYSCALL_USER_DISPATCH.
    for option in [0x5961_6d61, 62, 59] as [UInt64] { #expect(answer(Int32(SYS_prctl), option) == killed) }
}

@Test func thereAreNoNewNamespaces() {
    let threads = UInt64(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS)
    #expect(answer(Int32(SYS_clone), threads | UInt64(CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)) == allowed)
    for signal in 0...64 as ClosedRange<UInt64> { #expect(answer(Int32(SYS_clone), signal) == allowed) }
    #expect(answer(Int32(SYS_unshare), UInt64(CLONE_FILES | CLONE_FS | CLONE_SYSVSEM)) == allowed)
    for bit in [17, 25, 26, 27, 28, 29, 30] as [UInt64] {
        #expect(answer(Int32(SYS_clone), 1 << bit | 17) == killed)
        #expect(answer(Int32(SYS_unshare), 1 << bit) == killed)
    }
    #expect(answer(Int32(SYS_unshare), 0x80) == killed)
    #expect(answer(Int32(SYS_clone3)) == refused(UInt32(ENOSYS)))
    #expect(answer(-1) == refused(UInt32(ENOSYS)))
}

@Test func familiesOfSocketsAreListed() {
    let isolated = HostCalls.filter(.none, machineRequests: KVMRequests.all)
    for number in [SYS_socket, SYS_socketpair] as [Int32] {
        for family in [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] {
            #expect(answer(number, UInt64(family)) == allowed)
            #expect(answer(number, UInt64(family), in: isolated) == (family == AF_UNIX ? allowed : killed))
        }
        // AF_XDP, AF_KEY, AF_RDS.
        for family in [44, 15, 21] as [UInt64] { #expect(answer(number, family) == killed) }
        // What stands for a family that is not served.
        #expect(answer(number, UInt64(AddressFamilies.impossible), in: isolated) == allowed)
    }
}
