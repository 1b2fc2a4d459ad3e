import LinuxABI
import Tracing

/// The families of system calls that `--trace` knows, as strace has them.
enum TraceFamily {
    case file, process, memory, network, signal, desc

    init?(_ name: ArraySlice<UInt8>) {
        func matches(_ spelling: StaticString) -> Bool { spelling.withUTF8Buffer { $0.elementsEqual(name) } }
        if matches("%file") { self = .file; return }
        if matches("%process") { self = .process; return }
        if matches("%memory") { self = .memory; return }
        if matches("%network") || matches("%net") { self = .network; return }
        if matches("%signal") { self = .signal; return }
        if matches("%desc") { self = .desc; return }
        return nil
    }

    func contains(_ row: SyscallRow) -> Bool {
        switch self {
        case .file: row.hasArgument { $0 == .path } || row.handler == .getcwd
        case .process:
            switch row.handler {
            case .clone, .clone3, .fork, .vfork, .execve, .execveat, .exit, .exit_group, .wait4, .waitid, .kill, .tkill, .tgkill,
                .rt_sigqueueinfo, .rt_tgsigqueueinfo, .pidfd_send_signal, .unshare:
                true
            default: false
            }
        case .memory:
            switch row.handler {
            case .mmap, .mprotect, .munmap, .brk, .mremap, .msync, .mincore, .madvise, .process_madvise, .shmat, .shmdt, .mlock, .mlock2,
                .munlock, .mlockall, .munlockall, .remap_file_pages, .pkey_mprotect:
                true
            default: row.hasArgument { if case .nodeMask = $0 { true } else { false } }
            }
        case .network:
            switch row.handler {
            case .socket, .bind, .connect, .accept, .accept4, .getsockname, .getpeername, .socketpair, .setsockopt, .getsockopt,
                .sendto, .recvfrom, .sendmsg, .recvmsg, .sendmmsg, .recvmmsg:
                true
            default: row.isNamed("listen") || row.isNamed("shutdown")
            }
        case .signal:
            switch row.handler {
            case .rt_sigaction, .rt_sigprocmask, .rt_sigreturn, .rt_sigpending, .rt_sigtimedwait, .rt_sigsuspend, .sigaltstack,
                .kill, .tkill, .tgkill, .rt_sigqueueinfo, .rt_tgsigqueueinfo, .pidfd_send_signal:
                true
            default: row.isNamed("pause") || row.isNamed("signalfd") || row.isNamed("signalfd4")
            }
        case .desc:
            switch row.handler {
            case .newDescriptor, .open, .creat, .socket, .socketpair, .pipe, .pipe2, .memfd_create, .close_range, .poll, .ppoll: true
            default:
                row.hasArgument {
                    switch $0 {
                    case .fd, .directoryFD, .newFD, .fdCount: true
                    default: false
                    }
                }
            }
        }
    }
}

extension SyscallRow {
    fileprivate func hasArgument(_ test: (ArgumentKind) -> Bool) -> Bool {
        for index in 0..<6 where test(kind(index)) { return true }
        return false
    }

    fileprivate func isNamed(_ other: StaticString) -> Bool {
        name.withUTF8Buffer { own in other.withUTF8Buffer { own.elementsEqual($0) } }
    }
}

extension CallSelection {
    /// The calls that `--trace=SET` names: a list of names and families, or behind `!` all others.
    ///
    /// - Parameter unknown: set to the first name that stands for nothing; the answer is nil then.
    public static func named(_ set: [UInt8], unknown: inout [UInt8]) -> CallSelection? {
        let isInverted = set.first == UInt8(ascii: "!")
        var selection = CallSelection.none
        for name in set.dropFirst(isInverted ? 1 : 0).split(separator: UInt8(ascii: ",")) {
            guard selection.insert(name) else {
                unknown = Array(name)
                return nil
            }
        }
        if isInverted { selection.invert() }
        return selection
    }

    private mutating func insert(_ name: ArraySlice<UInt8>) -> Bool {
        if name.elementsEqual("all".utf8) {
            self = .all
            return true
        }
        let family = TraceFamily(name)
        var isKnown = family != nil
        for number in 0...SyscallTable.last {
            guard let row = SyscallTable.row(number) else { continue }
            let isNamed = row.name.withUTF8Buffer { $0.elementsEqual(name) }
            if isNamed || (family?.contains(row) ?? false) {
                insert(number)
                isKnown = true
            }
        }
        return isKnown
    }
}
