/// How well a system call is served; printed in docs/syscalls.md.
public enum SupportLevel: UInt8 {
    /// As Linux, errors included.
    case full
    /// Part of it; the note says which part is missing and what it answers.
    case partial
    /// Refused by policy with the errno that the note names.
    case refused
    /// Not there: ENOSYS, as a kernel without it answers.
    case absent
}

/// What one argument is, which is what generic forwarding needs to check it. `count` and `length` name the index of
/// another argument. Nullable kinds let 0 pass.
public enum ArgumentKind {
    case none
    /// A plain number: passed as it is.
    case value
    /// A file descriptor: vmrun's own give EBADF.
    case fd
    /// A descriptor or AT_FDCWD.
    case directoryFD
    /// A path; only handlers serve it.
    case path
    /// A buffer that the kernel reads, `length` bytes by another argument.
    case input(length: UInt8)
    /// A buffer that the kernel writes, `length` bytes by another argument.
    case output(length: UInt8)
    /// A structure of constant size that the kernel reads, writes, or both.
    case inputStruct(UInt16)
    case outputStruct(UInt16)
    case updateStruct(UInt16)
    /// An array: another argument gives the count, elements have `size` bytes.
    case array(count: UInt8, size: UInt16)
    /// An iovec array with its count; every element is checked, and the checked copy is what the kernel gets.
    case iovec(count: UInt8)
    /// A msghdr; checked by its handler.
    case message
    /// A socket address that the kernel reads, with its length; AF_UNIX paths are for handlers.
    case socketAddress(length: UInt8)
    /// A socket address that the kernel writes, behind a pointer to its length.
    case socketAddressOutput(lengthPointer: UInt8)
    /// A guest address that is not dereferenced by the call.
    case address
    /// A process or thread id: members only.
    case pid
    case signal
    /// A pointer whose meaning depends on other arguments: a handler checks it.
    case special
}
