/// The system calls, one row for every number of x86-64. docs/syscalls.md is generated from it. Architectures with other numbers
/// look their rows up by name, once, in a table of their own (`row(_:)` in the folder of each).
///
/// The rows are inline arrays, which the compiler lays out in the binary as they are: nothing is built at start-up and a
/// lookup is a load. An Array would be made at its first use, behind a lock.
public enum SyscallTable {
    /// The last number that has a row.
    public static let last: UInt32 = 470

    /// The row that is written under a number; nil in the gap that x86-64 leaves free, beyond the last row, and for x32 numbers.
    @inline(__always) @usableFromInline
    static func writtenRow(_ number: UInt32) -> SyscallRow? {
        switch number {
        case 0..<128: rows000[Int(number)]
        case 128..<256: rows128[Int(number &- 128)]
        case 256..<337: rows256[Int(number &- 256)]
        case 424...last: rows424[Int(number &- 424)]
        default: nil
        }
    }

    /// The name of a number, for traces; nil where there is no such call.
    public static func name(_ number: UInt32) -> StaticString? { row(number)?.name }
}
