import CShim
import GuestMemory
import LinuxABI
import Process
import Sysroot

/// ioctl(2), by the allow list of `IoctlCommand`.
enum IoctlCalls {
    static func ioctl(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        guard let command = IoctlCommand(rawValue: UInt32(truncatingIfNeeded: args.a1)) else {
            return refuse(thread, args, .ENOTTY)
        }
        if !thread.process.session.hasNetwork, command.isOfNetworkDevices { return refuse(thread, args, .ENODEV) }
        switch command.argument {
        case .value: return call(thread, args, args.a2)
        case .changingStructure(let size):
            if thread.files.isReadOnly(descriptor: Int32(truncatingIfNeeded: args.a0)) { throw .EROFS }
            return call(thread, args, Forwarding.checked(args.a2, UInt64(size)))
        case .structure(let size): return call(thread, args, Forwarding.checked(args.a2, UInt64(size)))
        case .descriptor: return call(thread, args, Forwarding.descriptor(args.a2))
        case .cloneRange: return cloneRange(thread, args)
        case .dedupeRange: return dedupeRange(thread, args)
        case .interfaceList: return interfaceList(thread, args)
        case .owner: return setOwner(thread, args)
        case .newDescriptor: return Forwarding.newDescriptor(call(thread, args, args.a2))
        case .refused(let error): return refuse(thread, args, error)
        }
    }

    /// The errno of a command that is not passed on; a bad descriptor comes first.
    private static func refuse(_ thread: GuestThread, _ args: SyscallArguments, _ error: GuestErrno) -> Int {
        let result = thread.hostCall(Int(SYS_fcntl), args.a0, UInt64(F_GETFL))
        if result < 0 { return result }
        return result & VMRUN_O_PATH == 0 ? error.result : GuestErrno.EBADF.result
    }

    /// FICLONERANGE: the source's number is the first long of the structure.
    private static func cloneRange(_ thread: GuestThread, _ args: SyscallArguments) -> Int {
        let copy = thread.scratch.at(Scratch.structures)
        guard GuestAccess.tryCopyIn(copy, from: args.a2, count: 32) else {
            return call(thread, args, Forwarding.refused(args.a2))
        }
        let source = copy.load(as: UInt64.self)
        copy.storeBytes(of: Forwarding.descriptor(source), as: UInt64.self)
        return call(thread, args, copy.hostArgument)
    }

    /// FIDEDUPERANGE: behind the header are elements, whose first long is a descriptor. The kernel answers in them. It refuses
    /// more than a page of them (ENOMEM) before it looks at any.
    private static func dedupeRange(_ thread: GuestThread, _ args: SyscallArguments) -> Int {
        let copy = thread.scratch.at(Scratch.vector)
        let (headerSize, elementSize) = (24, 32)
        guard GuestAccess.tryCopyIn(copy, from: args.a2, count: headerSize) else {
            return call(thread, args, Forwarding.refused(args.a2))
        }
        let count = Int(copy.load(fromByteOffset: 16, as: UInt16.self))
        let size = headerSize + count * elementSize
        if size > Int(Arena.pageSize) { return call(thread, args, copy.hostArgument) }
        guard GuestAccess.tryCopyIn(copy + headerSize, from: args.a2 &+ UInt64(headerSize), count: size - headerSize) else {
            return call(thread, args, Forwarding.refused(args.a2))
        }
        for index in 0..<count {
            let offset = headerSize + index * elementSize
            let target = copy.load(fromByteOffset: offset, as: UInt64.self)
            copy.storeBytes(of: Forwarding.descriptor(target), toByteOffset: offset, as: UInt64.self)
        }
        let result = call(thread, args, copy.hostArgument)
        guard result >= 0 else { return result }
        do throws(GuestErrno) {
            for index in 0..<count {
                // What was asked for stays as it was: bytes_deduped and the status are behind descriptor and offset.
                let offset = headerSize + index * elementSize + 16
                try GuestAccess.copyOut(copy + offset, to: GuestAddress(args.a2) + offset, count: 16)
            }
            return result
        } catch {
            return error.result
        }
    }

    /// SIOCGIFCONF: an int with the length of the buffer, and its address (NULL asks for the length needed).
    private static func interfaceList(_ thread: GuestThread, _ args: SyscallArguments) -> Int {
        let copy = thread.scratch.at(Scratch.structures)
        guard GuestAccess.tryCopyIn(copy, from: args.a2, count: 16) else {
            return call(thread, args, Forwarding.refused(args.a2))
        }
        let length = copy.load(as: UInt32.self)
        let buffer = copy.load(fromByteOffset: 8, as: UInt64.self)
        copy.storeBytes(of: Forwarding.checked(buffer, UInt64(length)), toByteOffset: 8, as: UInt64.self)
        let result = call(thread, args, copy.hostArgument)
        guard result >= 0 else { return result }
        do throws(GuestErrno) {
            try GuestAccess.copyOut(copy, to: GuestAddress(args.a2), count: 4)
            return result
        } catch {
            return error.result
        }
    }

    /// FIOSETOWN and SIOCSPGRP: who gets the signals must be reachable.
    private static func setOwner(_ thread: GuestThread, _ args: SyscallArguments) -> Int {
        let copy = thread.scratch.at(Scratch.structures)
        guard GuestAccess.tryCopyIn(copy, from: args.a2, count: 4) else {
            return call(thread, args, Forwarding.refused(args.a2))
        }
        if !Membership.reachesOwner(thread, copy.load(as: Int32.self)) {
            copy.storeBytes(of: Int32(truncatingIfNeeded: Forwarding.impossiblePID), as: Int32.self)
        }
        return call(thread, args, copy.hostArgument)
    }

    @inline(__always)
    private static func call(_ thread: GuestThread, _ args: SyscallArguments, _ argument: UInt64) -> Int {
        thread.hostCall(Int(SYS_ioctl), args.a0, args.a1, argument)
    }
}
