import CShim
import GuestMemory
import Host
import LinuxABI
import Process
import SyntheticFS

/// Calls on descriptors that may belong to the synthetic /proc and /dev. Ordinary descriptors pay a comparison or a bit test
/// beyond the host's own call.
enum SyntheticCalls {
    private static let tmpfsMagic: Int = 0x0102_1994

    // MARK: Directories

    /// getdents64(2). The host answers ENOTDIR for the memfd behind a synthetic directory.
    static func getdents64(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let count = UInt64(UInt32(truncatingIfNeeded: args.a2))
        let result = thread.hostCall(Int(SYS_getdents64), args.a0, Forwarding.checked(args.a1, count), count)
        guard result == GuestErrno.ENOTDIR.result else { return result }
        return try list(thread, args) { (descriptor, records) throws(GuestErrno) in
            try thread.process.synthetic.getdents64(descriptor, into: records)
        }
    }

    /// getdents(2), from getdents64(2): the records of both have the same lengths.
    static func getdents(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try list(thread, args) { (descriptor, records) throws(GuestErrno) in
            var length = thread.hostCall(
                Int(SYS_getdents64), args.a0, UInt64(UInt(bitPattern: records.baseAddress)), UInt64(records.count))
            if length == GuestErrno.ENOTDIR.result {
                length = try thread.process.synthetic.getdents64(descriptor, into: records)
            }
            if length > 0 && length <= records.count {
                DirectoryRecords.convertToLegacy(UnsafeMutableRawBufferPointer(rebasing: records[..<length]))
            }
            return length
        }
    }

    /// Copies what `fill` makes of a directory to the guest. Where that is not possible the directory stays where it was.
    private static func list(
        _ thread: GuestThread, _ args: SyscallArguments,
        _ fill: (Int32, UnsafeMutableRawBufferPointer) throws(GuestErrno) -> Int
    ) throws(GuestErrno) -> Int {
        let descriptor = Int32(truncatingIfNeeded: args.a0)
        let room = min(Int(UInt32(truncatingIfNeeded: args.a2)), thread.scratch.data.count)
        let records = UnsafeMutableRawBufferPointer(rebasing: thread.scratch.data[..<room])
        let before = Host.raw(Int32(SYS_lseek), Int(descriptor), 0, Int(SEEK_CUR))
        let length = try fill(descriptor, records)
        guard length > 0, let source = records.baseAddress else { return length }
        do throws(GuestErrno) {
            try GuestAccess.copyOut(source, to: GuestAddress(args.a1), count: length)
        } catch {
            _ = Host.raw(Int32(SYS_lseek), Int(descriptor), before, Int(SEEK_SET))
            throw error
        }
        return length
    }

    // MARK: Status

    /// fstat(2): the host's answer goes straight to the guest, and is made again where the object has another identity
    /// there.
    static func fstat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let size = MemoryLayout<CShim.stat>.size
        let result = thread.hostCall(Int(SYS_fstat), args.a0, Forwarding.checked(args.a1, UInt64(size)))
        guard result == 0 else { return result }
        let synthetic = thread.process.synthetic
        // st_dev comes first. What another thread makes of it meanwhile only decides who fills the structure.
        let device = try GuestAccess.read(UInt64.self, at: GuestAddress(args.a1))
        guard synthetic.mayPatch(device: device) else { return 0 }
        let descriptor = Int32(truncatingIfNeeded: args.a0)
        var status = CShim.stat()
        let isPatched = withUnsafeMutablePointer(to: &status) {
            Host.raw(Int32(SYS_fstat), Int(descriptor), $0.argument) == 0 && synthetic.patch($0, ofDescriptor: descriptor)
        }
        if isPatched { try GuestAccess.write(status, at: GuestAddress(args.a1)) }
        return 0
    }

    /// fstatfs(2)
    static func fstatfs(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let size = MemoryLayout<CShim.statfs>.size
        let result = thread.hostCall(Int(SYS_fstatfs), args.a0, Forwarding.checked(args.a1, UInt64(size)))
        guard result == 0 else { return result }
        // f_type comes first; memfds are on tmpfs.
        guard try GuestAccess.read(Int.self, at: GuestAddress(args.a1)) == tmpfsMagic else { return 0 }
        var status = CShim.statfs()
        let isPatched = withUnsafeMutablePointer(to: &status) {
            thread.process.synthetic.patch($0, ofDescriptor: Int32(truncatingIfNeeded: args.a0))
        }
        if isPatched { try GuestAccess.write(status, at: GuestAddress(args.a1)) }
        return 0
    }

    // MARK: Reading and writing

    /// Before a read: /proc makes its text anew when it is read from the start, and directories are not read. The result of a
    /// read that is served here, nil where the host is to make it.
    @inline(__always)
    static func read(
        _ thread: GuestThread, _ row: SyscallRow, _ args: SyscallArguments, isVector: Bool
    ) throws(GuestErrno) -> Int? {
        let descriptor = Int32(truncatingIfNeeded: Forwarding.descriptor(args.a0))
        guard thread.process.synthetic.mayBeSynthetic(descriptor) else { return nil }
        return try AddressedCalls.read(thread, AddressedCalls.Transfer(row, args, descriptor, isVector))
    }

    /// As `read`.
    @inline(__always)
    static func write(
        _ thread: GuestThread, _ row: SyscallRow, _ args: SyscallArguments, isVector: Bool
    ) throws(GuestErrno) -> Int? {
        let descriptor = Int32(truncatingIfNeeded: Forwarding.descriptor(args.a0))
        guard thread.process.synthetic.mayBeSynthetic(descriptor) else { return nil }
        return try AddressedCalls.write(thread, AddressedCalls.Transfer(row, args, descriptor, isVector))
    }

    /// `copy` is a new descriptor for what `original` is.
    @inline(__always)
    static func noteDuplicate(_ thread: GuestThread, _ copy: Int, of original: UInt64) {
        thread.process.synthetic.noteDuplicate(
            Int32(truncatingIfNeeded: copy), of: Int32(truncatingIfNeeded: original))
    }

    /// `descriptor` came over a socket.
    static func noteReceived(_ thread: GuestThread, _ descriptor: Int32) {
        thread.process.synthetic.noteReceived(descriptor)
    }

    /// lseek(2): the files of /proc have no end to count from.
    static func lseek(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let origin = UInt32(truncatingIfNeeded: args.a2)
        if origin > UInt32(SEEK_CUR), thread.process.synthetic.isSyntheticFile(Int32(truncatingIfNeeded: args.a0)) {
            throw .EINVAL
        }
        return thread.hostCall(Int(SYS_lseek), args.a0, args.a1, args.a2)
    }

    // MARK: memfd_create

    /// memfd_create(2). A name that would pass for a synthetic object is changed.
    static func memfd_create(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let name = UnsafeMutableBufferPointer(rebasing: thread.scratch.path[...SyntheticName.limit])
        var address = Forwarding.refused(args.a0)
        do throws(GuestErrno) {
            _ = try GuestAccess.readCString(at: GuestAddress(args.a0), into: name)
            SyntheticFileSystem.sanitize(memfdName: name)
            address = UInt64(UInt(bitPattern: name.baseAddress))
        } catch {
            // A name that is too long is no valid one. For all else the kernel looks at the flags first.
            if error == .ENAMETOOLONG { throw .EINVAL }
        }
        return Forwarding.newDescriptor(thread.hostCall(Int(SYS_memfd_create), address, args.a1))
    }
}
