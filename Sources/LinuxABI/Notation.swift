/// How an argument of a system call is written for people, where its `ArgumentKind` does not say it. Names are strace's.
public enum Notation: UInt8, CaseIterable {
    // MARK: Numbers
    case hexadecimal, mode, device
    /// The mode of a file that the flags before it may make; not written otherwise.
    case createMode
    case accessMode, openFlags, atFlags, renameFlags, closeRangeFlags, descriptorFlags, eventFlags, signalFlags, timerDescriptorFlags
    case epollFlags, memoryFileFlags, spliceFlags, fallocateMode, lockOperation, attributeFlags, watchMask, statusMask
    case protection, mapFlags, remapFlags, synchronisation, advice, fileAdvice, lockFlags, seekFrom
    case addressFamily, socketType, socketProtocol, socketLevel, socketOption, messageFlags, shutdownHow
    case cloneFlags, waitFlags, waitKind, maskChange, clock, timerFlags, intervalTimer, resource, usageOf, policy, priorityOf
    case fcntlCommand, request, futexOperation, epollOperation, controlOption, processorOption, randomFlags, membarrierCommand

    // MARK: Pointers, and numbers whose meaning is in another argument
    /// An address, read by nobody.
    case pointer
    /// A NULL-terminated array of strings, and one of which only the length is of interest.
    case strings, environment
    case directoryEntries, waitStatus, timespecPair, timevalPair
    case fcntlArgument, requestArgument, futexArgument, controlArgument, optionValue
}

extension Notation {
    /// Whether the argument may be an address, which only a handler may pass on.
    public var mayBePointer: Bool { rawValue >= Self.pointer.rawValue }
}
