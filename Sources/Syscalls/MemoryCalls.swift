import CShim
import GuestMemory
import Host
import LinuxABI
import Machine
import Process
import SyntheticFS

/// The memory family. What decides about addresses is AddressSpace's; the rest is checked against the arena and forwarded.
enum MemoryCalls {
    static func mmap(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let address = try thread.process.memory.mmap(
            address: args.a0, length: args.a1, prot: args.a2, flags: args.a3, fd: Int32(truncatingIfNeeded: args.a4),
            offset: args.a5)
        // A file's text is about to run. What else may be executed, a reservation of a compiler's, is perhaps not.
        if args.a2 & UInt64(PROT_EXEC) != 0 && args.a3 & UInt64(MAP_ANONYMOUS) == 0 {
            thread.cpu.machine.expectExecution(address, address + args.a1)
        }
        return Int(truncatingIfNeeded: address)
    }

    static func munmap(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.process.memory.munmap(address: args.a0, length: args.a1)
        return 0
    }

    static func mprotect(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.process.memory.mprotect(address: args.a0, length: args.a1, prot: args.a2)
        return 0
    }

    static func pkey_mprotect(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.process.memory.mprotect(
            address: args.a0, length: args.a1, prot: args.a2, pkey: Int32(truncatingIfNeeded: args.a3))
        return 0
    }

    static func mremap(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let address = try thread.process.memory.mremap(
            address: args.a0, oldLength: args.a1, newLength: args.a2, flags: args.a3, newAddress: args.a4)
        return Int(truncatingIfNeeded: address)
    }

    static func brk(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let end = thread.process.memory.brk(args.a0)
        thread.process.publishBreak(end)
        return Int(truncatingIfNeeded: end)
    }

    static func madvise(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.process.memory.madvise(address: args.a0, length: args.a1, advice: args.a2)
    }

    static func msync(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let memory = thread.process.memory
        return try memory.forward(Int32(SYS_msync), address: args.a0, length: args.a1, args.a2, wrapped: .ENOMEM)
    }

    static func mincore(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let memory = thread.process.memory
        guard args.a0 & (Arena.pageSize - 1) == 0 else { throw .EINVAL }
        // Of nothing there is nothing to tell, wherever that goes; the host knows which addresses there are.
        if args.a1 > 0 || args.a0 >= Arena.userEnd { try memory.checkRange(address: args.a0, length: args.a1) }
        if args.a1 == 0 { return try memory.forward(Int32(SYS_mincore), address: args.a0, length: 0, args.a2) }
        guard Arena.contains(GuestAddress(args.a2), length: Arena.pageUp(args.a1) / Arena.pageSize)
        else { throw .EFAULT }
        return try memory.forward(Int32(SYS_mincore), address: args.a0, length: args.a1, args.a2)
    }

    static func mlock(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.process.memory.forward(Int32(SYS_mlock), address: args.a0, length: args.a1)
    }

    static func mlock2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.process.memory.forward(Int32(SYS_mlock2), address: args.a0, length: args.a1, args.a2)
    }

    static func munlock(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.process.memory.forward(Int32(SYS_munlock), address: args.a0, length: args.a1)
    }

    static func mlockall(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.process.memory.lockAll(flags: args.a0 & 0xffff_ffff)
        return 0
    }

    static func munlockall(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.process.memory.unlockAll()
        return 0
    }

    static func remap_file_pages(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.process.memory.remapFilePages(
            address: args.a0, size: args.a1, prot: args.a2, pageOffset: args.a3, flags: args.a4)
        return 0
    }

    static func shmat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let address = try thread.process.memory.shmat(
            identifier: Int32(truncatingIfNeeded: args.a0), address: args.a1, flags: args.a2)
        return Int(truncatingIfNeeded: address)
    }

    static func shmdt(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.process.memory.shmdt(address: args.a0)
        return 0
    }

    /// process_madvise(2): every range has to lie in the arena. The dispatcher has checked that the process is a member.
    static func process_madvise(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let count = args.a2
        // UIO_MAXIOV
        guard count <= 1024 else { throw .EINVAL }
        let scratch = thread.scratch.data
        guard let base = scratch.baseAddress else { throw .EFAULT }
        try GuestAccess.copyIn(base, from: GuestAddress(args.a1), count: Int(count) * MemoryLayout<iovec>.stride)
        let words = base.assumingMemoryBound(to: UInt64.self)
        for index in 0..<Int(count) {
            try thread.process.memory.checkRange(address: words[index * 2], length: words[index * 2 + 1])
        }
        return thread.hostCall(
            Int(SYS_process_madvise), args.a0, UInt64(UInt(bitPattern: base)), count, args.a3, args.a4)
    }
}
