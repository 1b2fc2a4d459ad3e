/// A host kernel error number. It never reaches the guest by accident: handlers throw `GuestErrno`, and turning one into
/// the other is always written out.
public struct HostError: Error, Equatable {
    /// The positive errno.
    public let number: Int32

    @inlinable
    public init(_ number: Int32) { self.number = number }
}
