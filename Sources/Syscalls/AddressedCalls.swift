import CShim
import GuestMemory
import Host
import LinuxABI
import Process
import SyntheticFS

/// Reads of and writes to synthetic files that no memfd can stand for: a process's memory, and settings of vmrun's own.
enum AddressedCalls {
    /// A call of read(2)'s or write(2)'s families.
    struct Transfer {
        let descriptor: Int32
        /// What the call says of the place in the file; nil for where the descriptor stands.
        let offset: Int64?
        let isVector: Bool
        let arguments: SyscallArguments

        /// The number of its arguments tells pread64(2) from read(2); of preadv2(2) an offset of -1 means none.
        init(_ row: SyscallRow, _ arguments: SyscallArguments, _ descriptor: Int32, _ isVector: Bool) {
            self.descriptor = descriptor
            self.isVector = isVector
            self.arguments = arguments
            let offset = Int64(bitPattern: arguments.a3)
            self.offset = row.kinds.3 == .none || isVector && row.kinds.5 != .none && offset == -1 ? nil : offset
        }
    }

    /// Nil where the host's own call reads what there is.
    static func read(_ thread: GuestThread, _ transfer: Transfer) throws(GuestErrno) -> Int? {
        let offset = transfer.offset ?? position(transfer.descriptor)
        guard let object = try thread.process.synthetic.prepareRead(transfer.descriptor, atStart: offset == 0) else {
            return nil
        }
        guard try mode(transfer.descriptor) != O_WRONLY else { throw .EBADF }
        guard let file = try object.open(writing: false) else { return 0 }
        if object.file == .memory { thread.process.memory.keepCallSites() }
        defer { Host.close(file) }
        return try each(thread, transfer, at: offset) { (address, length, offset) throws(GuestErrno) in
            switch object.file {
            case .memory: try memory(SYS_pread64, object, file, address, length, offset)
            case .pageMap: try pageMap(thread, object, file, address, length, offset)
            }
        }
    }

    /// Nil where the host's own call has the right errno.
    static func write(_ thread: GuestThread, _ transfer: Transfer) throws(GuestErrno) -> Int? {
        guard let written = thread.process.synthetic.written(transfer.descriptor) else { return nil }
        guard try mode(transfer.descriptor) != O_RDONLY else { throw .EBADF }
        switch written {
        case .memory(let object):
            guard object.file == .memory else { throw .EINVAL }
            guard let file = try object.open(writing: true) else { return 0 }
            thread.process.memory.keepCallSites()
            defer { Host.close(file) }
            return try each(thread, transfer, at: transfer.offset ?? position(transfer.descriptor)) {
                (address, length, offset) throws(GuestErrno) in
                try memory(SYS_pwrite64, object, file, address, length, offset)
            }
        case .coredumpFilter:
            // The place does not matter: each write is a whole number.
            return try each(thread, transfer, at: 0, moves: false) { (address, length, _) throws(GuestErrno) in
                let filter = try number(at: address, length)
                thread.process.updateRecord { $0.coredumpFilter = filter & dumpFilterBits }
                return length
            }
        }
    }

    /// MMF_DUMP_FILTER_MASK, moved down.
    private static let dumpFilterBits: UInt32 = 0x1ff
    /// MAX_RW_COUNT: as much as one call moves.
    private static let largest = 0x7fff_f000

    private static func position(_ descriptor: Int32) -> Int64 {
        Int64(Host.raw(Int32(SYS_lseek), Int(descriptor), 0, Int(SEEK_CUR)))
    }

    /// O_RDONLY, O_WRONLY or O_RDWR.
    private static func mode(_ descriptor: Int32) throws(GuestErrno) -> Int32 {
        let flags = Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_GETFL))
        guard flags >= 0 else { throw GuestErrno(Int32(truncatingIfNeeded: -flags)) }
        return Int32(truncatingIfNeeded: flags) & O_ACCMODE
    }

    /// Calls `body` for each part of the guest's buffer, until one is served in part only. An error counts where nothing was
    /// moved before.
    private static func each(
        _ thread: GuestThread, _ transfer: Transfer, at offset: Int64, moves: Bool = true,
        _ body: (UInt64, Int, UInt64) throws(GuestErrno) -> Int
    ) throws(GuestErrno) -> Int {
        guard offset >= 0 else { throw .EINVAL }
        let scratch = thread.scratch.at(Scratch.vector).assumingMemoryBound(to: iovec.self)
        var count = 1
        if transfer.isVector {
            count = Int(UInt32(truncatingIfNeeded: transfer.arguments.a2))
            guard count <= Forwarding.largestVector else { throw .EINVAL }
            let copy = Forwarding.iovec(
                transfer.arguments.a1, count: UInt64(count), scratch: thread.scratch.data)
            guard count == 0 || copy == UnsafeMutableRawPointer(scratch).hostArgument else { throw .EFAULT }
        } else {
            let address = Forwarding.checked(transfer.arguments.a1, transfer.arguments.a2)
            scratch[0] = iovec(
                iov_base: UnsafeMutableRawPointer(bitPattern: UInt(address)),
                iov_len: Int(truncatingIfNeeded: transfer.arguments.a2))
        }
        for index in 0..<count where Int(scratch[index].iov_len) < 0 { throw .EINVAL }
        var done = 0
        for index in 0..<count {
            let length = min(Int(scratch[index].iov_len), largest - done)
            if length == 0 { continue }
            let part: Int
            do throws(GuestErrno) {
                part = try body(UInt64(UInt(bitPattern: scratch[index].iov_base)), length, UInt64(offset) + UInt64(done))
            } catch {
                if done == 0 { throw error }
                break
            }
            done += part
            if part < length { break }
        }
        if moves && transfer.offset == nil && done > 0 {
            _ = Host.raw(Int32(SYS_lseek), Int(transfer.descriptor), Int(offset) + done, Int(SEEK_SET))
        }
        return done
    }

    /// /proc/PID/mem: the host moves the bytes between the two places of guest memory. EIO where nothing is mapped.
    private static func memory(
        _ number: Int32, _ object: AddressedObject, _ file: Int32, _ address: UInt64, _ length: Int, _ offset: UInt64
    ) throws(GuestErrno) -> Int {
        guard let length = object.memoryLength(at: offset, length) else { throw .EIO }
        let result = Host.raw(number, Int(file), Int(truncatingIfNeeded: address), length, Int(offset))
        guard result >= 0 else { throw GuestErrno(Int32(truncatingIfNeeded: -result)) }
        return result
    }

    private static func pageMap(
        _ thread: GuestThread, _ object: AddressedObject, _ file: Int32, _ address: UInt64, _ length: Int, _ offset: UInt64
    ) throws(GuestErrno) -> Int {
        if length % 8 != 0 { throw .EINVAL }
        let space = UnsafeMutableRawBufferPointer(
            start: thread.scratch.at(Scratch.control), count: Scratch.controlCapacity & ~7)
        var done = 0
        while done < length {
            let part = UnsafeMutableRawBufferPointer(rebasing: space[..<min(space.count, length - done)])
            let count = try object.readPageMap(file, at: offset + UInt64(done), into: part)
            guard count > 0, let source = part.baseAddress else { break }
            try GuestAccess.copyOut(source, to: GuestAddress(address + UInt64(done)), count: count)
            done += count
        }
        return done
    }

    /// An unsigned number as kstrtouint_from_user() reads it, in the base that its prefix says.
    private static func number(at address: UInt64, _ length: Int) throws(GuestErrno) -> UInt32 {
        var text: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        return try withUnsafeMutableBytes(of: &text) { (bytes) throws(GuestErrno) in
            guard let base = bytes.baseAddress else { throw .EINVAL }
            let count = min(length, bytes.count)
            try GuestAccess.copyIn(base, from: GuestAddress(address), count: count)
            return try KernelNumber.parse(bytes[..<count])
        }
    }
}

/// Numbers as the kernel takes them from what is written to its files (kstrtouint() with base 0).
enum KernelNumber {
    /// EINVAL for anything but digits with an optional sign, prefix and newline, ERANGE for what does not fit.
    static func parse(_ text: Slice<UnsafeMutableRawBufferPointer>) throws(GuestErrno) -> UInt32 {
        var rest = text
        if let end = rest.firstIndex(of: 0) { rest = rest[..<end] }
        if rest.last == UInt8(ascii: "\n") { rest = rest.dropLast() }
        if rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        var base: UInt64 = 10
        if rest.first == UInt8(ascii: "0"), rest.count > 1 {
            let second = rest[rest.startIndex + 1] | 0x20
            base = second == UInt8(ascii: "x") && rest.count > 2 ? 16 : 8
            rest = rest.dropFirst(base == 16 ? 2 : 1)
        }
        guard !rest.isEmpty else { throw .EINVAL }
        var value: UInt64 = 0
        for byte in rest {
            let letter = byte | 0x20
            let digit: UInt64
            switch byte {
            case 0x30...0x39: digit = UInt64(byte - 0x30)
            case _ where letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "f"): digit = UInt64(letter - 0x57)
            default: throw .EINVAL
            }
            guard digit < base else { throw .EINVAL }
            value = value * base + digit
            if value > UInt64(UInt32.max) { throw .ERANGE }
        }
        return UInt32(value)
    }
}
