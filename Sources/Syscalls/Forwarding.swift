import CShim
import GuestMemory
import Host
import LinuxABI
import Process

/// Checks arguments so that a call may go to the host kernel.
///
/// Nothing here fails a call. An argument that may not pass is replaced by one that the kernel itself refuses with the right
/// errno, at the moment when Linux would: a pointer outside the arena by an address where nothing is mapped (EFAULT), a
/// descriptor of vmrun's by -1 (EBADF), a process outside the session by an impossible id (ESRCH).
///
/// Two facts about the arena make this sound. Nothing is mapped in vmrun below it, so NULL and small addresses pass as they
/// are. And nothing is mapped for a long way above it (the arena ends 1.3 TiB below the lowest image), so what the kernel
/// reads or writes upward from an arena address ends in EFAULT before it meets anything of vmrun's.
public enum Forwarding {
    /// An address that every kernel refuses with EFAULT, on both architectures. The offset in the page is kept, because
    /// some calls check alignment first.
    @inline(__always)
    static func refused(_ address: UInt64) -> UInt64 { 0xffff_8000_0000_0000 | (address & 0xfff) }

    /// What the kernel gets for a pointer of which not all is in the arena. One of the kernel's half it refuses at a glance. One of the user's it
    /// refuses when it comes to read or write there, after it has looked at other arguments, and not where the length is 0: so it gets one
    /// below the arena, where nothing is mapped either. What it should reach from there on is the guest's.
    static func unmapped(_ address: UInt64) -> UInt64 {
        address < Arena.userEnd ? Arena.base / 2 | (address & 0xfff) : refused(address)
    }

    /// `address` where [address, address + length) ends inside the arena, else an address that gives EFAULT.
    @inline(__always)
    static func checked(_ address: UInt64, _ length: UInt64) -> UInt64 {
        address <= Arena.top && length <= Arena.top &- address ? address : unmapped(address)
    }

    /// The same for a range of addresses, of which none but the guest's own may be meant.
    @inline(__always)
    static func checkedRange(_ address: UInt64, _ length: UInt64) -> UInt64 {
        address <= Arena.top && length <= Arena.top &- address ? address : refused(address)
    }

    /// `checked` for `count` elements, where the kernel takes the count as an int or unsigned int.
    @inline(__always)
    static func checked(_ address: UInt64, count: UInt64, size: UInt64) -> UInt64 {
        checked(address, UInt64(UInt32(truncatingIfNeeded: count)) &* size)
    }

    /// A descriptor argument: vmrun's own become -1. The kernel looks at the low half of the register only.
    @inline(__always)
    static func descriptor(_ argument: UInt64) -> UInt64 {
        InternalDescriptors.contains(Int32(truncatingIfNeeded: argument)) ? .max : argument
    }

    /// A process id that no process can have (PID_MAX_LIMIT is 2^22): ESRCH.
    static let impossiblePID: UInt64 = 0x7fff_ffff

    /// Rewrites `arguments` by their kinds. `scratch` holds the copy of an iovec array until the call is over.
    @inline(__always)
    static func prepare(
        _ row: SyscallRow, _ arguments: inout SyscallArguments, scratch: UnsafeMutableRawBufferPointer,
        isMember: (Int32) -> Bool
    ) {
        for index in 0..<6 {
            let argument = arguments[index]
            switch row.kind(index) {
            case .none: return
            case .value, .address, .signal, .path, .special, .shown, .socketAddress, .socketAddressOutput: break
            case .fd, .directoryFD: arguments[index] = descriptor(argument)
            case .newFD:
                let number = UInt32(truncatingIfNeeded: argument)
                if UInt64(number) >= InternalDescriptors.openLimit { arguments[index] = .max }
            case .fdCount: arguments[index] = fdCount(argument)
            case .string: arguments[index] = checked(argument, 1)
            case .input(let length), .output(let length): arguments[index] = checked(argument, arguments[Int(length)])
            case .range(let length): arguments[index] = checkedRange(argument, arguments[Int(length)])
            case .reads(let structure), .writes(let structure), .updates(let structure):
                arguments[index] = checked(argument, structure.size)
            case .readsArray(let structure, let count), .writesArray(let structure, let count),
                .updatesArray(let structure, let count):
                arguments[index] = checked(argument, count: arguments[Int(count)], size: structure.size)
            case .iovec(let count): arguments[index] = iovec(argument, count: arguments[Int(count)], scratch: scratch)
            case .inputMessage(let length), .outputMessage(let length):
                let (total, overflow) = arguments[Int(length)].addingReportingOverflow(WireStructure.long.size)
                arguments[index] = checked(argument, overflow ? .max : total)
            case .fdSet(let count): arguments[index] = checked(argument, fdSetSize(arguments[Int(count)]))
            case .nodeMask(let bits): arguments[index] = checked(argument, nodeMaskSize(arguments[Int(bits)]))
            case .pid:
                let pid = Int32(truncatingIfNeeded: argument)
                if pid > 0 && !isMember(pid) { arguments[index] = impossiblePID }
            }
        }
    }

    /// The descriptors among the arguments of a call that a handler serves.
    @inline(__always)
    static func prepareDescriptors(_ row: SyscallRow, _ arguments: inout SyscallArguments) {
        for index in 0..<6 {
            switch row.kind(index) {
            case .none: return
            case .fd, .directoryFD: arguments[index] = descriptor(arguments[index])
            default: break
            }
        }
    }

    /// select(2)'s first argument, cut where vmrun's descriptors begin: the kernel cuts it at the end of the table too.
    @inline(__always)
    static func fdCount(_ argument: UInt64) -> UInt64 {
        let count = Int32(truncatingIfNeeded: argument)
        return UInt64(bitPattern: Int64(min(count, InternalDescriptors.base)))
    }

    /// The bytes of an fd_set for `count` descriptors, in whole longs as the kernel copies it.
    @inline(__always)
    static func fdSetSize(_ count: UInt64) -> UInt64 {
        (UInt64(UInt32(truncatingIfNeeded: max(0, Int32(truncatingIfNeeded: count)))) &+ 63) / 64 &* 8
    }

    @inline(__always)
    static func nodeMaskSize(_ bits: UInt64) -> UInt64 { bits / 64 &* 8 &+ (bits % 64 == 0 ? 0 : 8) }

    /// Makes the host call of a row whose arguments need no handler.
    @inline(__always)
    static func forward(_ thread: GuestThread, _ row: SyscallRow, _ arguments: SyscallArguments) -> Int {
        var arguments = arguments
        prepare(row, &arguments, scratch: thread.scratch.data) { Membership.reaches(thread, $0) }
        return thread.hostCall(
            Int(row.number), arguments.a0, arguments.a1, arguments.a2, arguments.a3, arguments.a4, arguments.a5)
    }

    /// A new descriptor as a call's result: EMFILE where the guest's limit does not allow its number. The kernel's own limit
    /// is higher, because vmrun's descriptors live above the guest's.
    @inline(__always)
    static func newDescriptor(_ result: Int) -> Int {
        if result < 0 || UInt64(result) < InternalDescriptors.openLimit { return result }
        _ = Host.raw(Int32(SYS_close), result)
        return GuestErrno.EMFILE.result
    }
}

extension InternalDescriptors {
    /// The first number that a new descriptor of the guest's may not have.
    @inline(__always)
    static var openLimit: UInt64 { min(guestLimit, UInt64(UInt32(bitPattern: max(0, base)))) }
}
