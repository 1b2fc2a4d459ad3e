import CShim
import GuestMemory
import Host
import LinuxABI
import Process
import SyntheticFS

/// sendfile(2), splice(2) and copy_file_range(2) from files of the synthetic /proc, which are memfds on the host: the kernel
/// would put pages of theirs into a pipe, and move what procfs lets nobody move.
enum MoveCalls {
    /// The result of a call that `row` names and whose source is synthetic; nil for any other, which is the host's to make.
    static func move(
        _ thread: GuestThread, _ row: SyscallRow, _ args: SyscallArguments
    ) throws(GuestErrno) -> Int? {
        let isCopy = Int(row.number) == Int(SYS_copy_file_range)
        let isSplice = Int(row.number) == Int(SYS_splice)
        let source = Forwarding.descriptor(isSplice || isCopy ? args.a0 : args.a1)
        let synthetic = thread.process.synthetic
        let descriptor = Int32(truncatingIfNeeded: source)
        guard let path = synthetic.path(ofDescriptor: descriptor) else { return nil }
        // No file that can be written is of procfs's file system.
        if isCopy { throw .EXDEV }
        guard isMovable(path) else { throw .EINVAL }
        let target = Forwarding.descriptor(isSplice ? args.a2 : args.a0)
        try checkTarget(Int32(truncatingIfNeeded: target), isSplice: isSplice, hasOffset: isSplice && args.a3 != 0)
        let count = min(isSplice ? args.a4 : args.a3, UInt64(Scratch.structures))
        if count == 0 { return 0 }
        let offsetAddress = isSplice ? args.a1 : args.a2
        return try move(thread, source, offsetAddress, to: target, count: count)
    }

    private static func move(
        _ thread: GuestThread, _ source: UInt64, _ offsetAddress: UInt64, to target: UInt64, count: UInt64
    ) throws(GuestErrno) -> Int {
        let own = thread.hostCall(Int(SYS_lseek), source, 0, UInt64(SEEK_CUR))
        if own < 0 { return own }
        let offset = offsetAddress == 0 ? Int64(own) : try GuestAccess.read(Int64.self, at: GuestAddress(offsetAddress))
        if offset < 0 { throw .EINVAL }
        let data = thread.scratch.at(Scratch.vector).hostArgument
        // What has no text cannot be moved.
        if try thread.process.synthetic.prepareRead(Int32(truncatingIfNeeded: source), atStart: offset == 0) != nil { throw .EINVAL }
        let size = thread.hostCall(Int(SYS_pread64), source, data, count, UInt64(offset))
        guard size > 0 else { return size }
        let result = thread.hostCall(Int(SYS_write), target, data, UInt64(size))
        guard result > 0 else { return result }
        let end = offset + Int64(result)
        if offsetAddress != 0 {
            try GuestAccess.write(end, at: GuestAddress(offsetAddress))
        } else {
            _ = thread.hostCall(Int(SYS_lseek), source, UInt64(end), UInt64(SEEK_SET))
        }
        return result
    }

    /// Splice goes to a pipe, and sendfile not to a file open for appending.
    private static func checkTarget(_ target: Int32, isSplice: Bool, hasOffset: Bool) throws(GuestErrno) {
        let flags = Host.raw(Int32(SYS_fcntl), Int(target), Int(F_GETFL))
        if flags < 0 || flags & Int(O_ACCMODE) == Int(O_RDONLY) { throw .EBADF }
        guard isSplice else {
            if flags & Int(O_APPEND) != 0 { throw .EINVAL }
            return
        }
        let isPipe = Host.raw(Int32(SYS_fcntl), Int(target), Int(FcntlCommand.F_GETPIPE_SZ.rawValue)) >= 0
        if !isPipe { throw .EINVAL }
        if hasOffset { throw .ESPIPE }
    }

    /// Of a process's own files procfs lets only the mounts and the network's be moved.
    private static func isMovable(_ path: [UInt8]) -> Bool {
        let parts = path.split(separator: 0x2f)
        guard parts.count > 2, let first = parts[1].first else { return true }
        let isProcess =
            (0x30...0x39).contains(first) || parts[1].elementsEqual("self".utf8) || parts[1].elementsEqual("thread-self".utf8)
        guard isProcess else { return true }
        return parts.contains { $0.starts(with: "mount".utf8) || $0.elementsEqual("net".utf8) }
    }
}
