/// What one argument is, which is what generic forwarding needs to check it. Numbers in the cases are indices of other
/// arguments. No kind says whether NULL is allowed: nothing is mapped below the arena, so the host kernel decides on NULL
/// exactly as it would for the guest.
public enum ArgumentKind: Equatable {
    case none
    /// A plain number: passed as it is.
    case value
    /// A file descriptor: vmrun's own give EBADF.
    case fd
    /// A descriptor or AT_FDCWD.
    case directoryFD
    /// A descriptor number that the guest chooses for a new descriptor.
    case newFD
    /// select(2)'s count of descriptors: vmrun's own are beyond it.
    case fdCount
    /// A path; only handlers serve it.
    case path
    /// A NUL-terminated name that the kernel reads and that is no path.
    case string
    /// A buffer that the kernel reads or writes; the argument with this index has its length as a size_t.
    case input(UInt8)
    case output(UInt8)
    /// A structure that the kernel reads, writes, or both.
    case reads(WireStructure)
    case writes(WireStructure)
    case updates(WireStructure)
    /// As many of them as the int or unsigned int in another argument says.
    case readsArray(WireStructure, count: UInt8)
    case writesArray(WireStructure, count: UInt8)
    case updatesArray(WireStructure, count: UInt8)
    /// An iovec array with its count; every element is checked, and the checked copy is what the kernel gets.
    case iovec(count: UInt8)
    /// A System V message: a long, then as many bytes as another argument says.
    case inputMessage(UInt8)
    case outputMessage(UInt8)
    /// An fd_set for the given count of descriptors.
    case fdSet(count: UInt8)
    /// A NUMA node mask of the given number of bits.
    case nodeMask(bits: UInt8)
    /// The start of an address range, whose length another argument has; the range must be the guest's.
    case range(UInt8)
    /// A socket address that the kernel reads, with its length, or writes, behind a pointer to its length.
    case socketAddress(UInt8)
    case socketAddressOutput(UInt8)
    /// A guest address that is not dereferenced by the call.
    case address
    /// A process or thread id: members of the session only.
    case pid
    case signal
    /// A pointer whose meaning depends on other arguments: a handler checks it.
    case special
    /// A number that has a way of its own to be written, which matters to traces only; or a pointer that a handler checks.
    case shown(Notation)
}
