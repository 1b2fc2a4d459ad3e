/// What a filter is asked about: struct seccomp_data, as 32-bit words in its order.
public struct SystemCallData {
    /// Number, AUDIT_ARCH, the address behind the call's instruction, six arguments; of each 64-bit one the low word first.
    private var words: (UInt32, UInt32, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

    /// In bytes.
    static let size: UInt32 = 64

    public init(
        number: UInt32, architecture: UInt32, instructionPointer: UInt64 = 0,
        _ arguments: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
    ) {
        words = (
            number, architecture, instructionPointer, arguments.0, arguments.1, arguments.2, arguments.3, arguments.4, arguments.5
        )
    }

    /// The word at a byte offset that is a multiple of four and below `size`.
    @inline(__always)
    func word(at offset: UInt32) -> UInt32 {
        withUnsafeBytes(of: words) { $0.load(fromByteOffset: Int(offset & 60), as: UInt32.self) }
    }
}
