import CShim
import LinuxABI
import Testing

@Suite struct LayoutTests {
    /// The sizes agree with the C headers.
    @Test func structureSizes() {
        let sizes: [(WireStructure, Int)] = [
            (.byte, 1), (.int, 4), (.long, 8),
            (.timespec, MemoryLayout<timespec>.size), (.timeval, MemoryLayout<timeval>.size),
            (.itimerval, MemoryLayout<itimerval>.size), (.itimerspec, MemoryLayout<itimerspec>.size),
            (.stat, MemoryLayout<stat>.size), (.statfs, MemoryLayout<statfs>.size),
            (.open_how, MemoryLayout<open_how>.size), (.pollfd, MemoryLayout<pollfd>.size),
            (.iovec, MemoryLayout<iovec>.size), (.msghdr, MemoryLayout<msghdr>.size),
            (.siginfo, MemoryLayout<siginfo_t>.size), (.stack_t, MemoryLayout<stack_t>.size),
            (.sigevent, MemoryLayout<sigevent>.size), (.rusage, MemoryLayout<rusage>.size),
            (.rlimit, MemoryLayout<rlimit>.size),
        ]
        for (structure, size) in sizes { #expect(structure.size == UInt64(size), "\(structure)") }
    }

    /// A command made by _IOR and its like has its size in it. Where the kernel moves something else, it is named here.
    @Test func ioctlSizes() {
        let exceptions: [IoctlCommand: UInt32] = [
            // Declared with a long, moved as an int.
            .FS_IOC_GETFLAGS: 4, .FS_IOC_SETFLAGS: 4, .FS_IOC_GETVERSION: 4, .BLKBSZGET: 4,
        ]
        for command in IoctlCommand.allCases {
            let encoded = command.rawValue >> 16 & 0x3fff
            guard command.rawValue >> 30 != 0 else { continue }
            switch command.argument {
            case .structure(let size), .changingStructure(let size):
                #expect(UInt32(size) == exceptions[command] ?? encoded, "\(command)")
            default: break
            }
        }
    }

    @Test func futexOperations() {
        #expect(FutexOperation(argument: 0x80) == .FUTEX_WAIT)
        #expect(FutexOperation(argument: 0x189) == .FUTEX_WAIT_BITSET)
        #expect(FutexOperation(argument: 14) == nil)
        #expect(FutexOperation(argument: 0x200) == nil)
        #expect(FutexOperation.FUTEX_REQUEUE.hasSecondFutex && !FutexOperation.FUTEX_REQUEUE.hasTimeout)
    }
}
