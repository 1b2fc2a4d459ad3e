/// An error number for the guest, in the guest architecture's numbering (the same as the host's, which is Linux too).
public struct GuestErrno: Error, Equatable {
    /// The positive errno.
    public let number: Int32

    @inlinable
    public init(_ number: Int32) { self.number = number }

    /// What a system call returns for it.
    @inlinable
    public var result: Int { -Int(number) }
}
