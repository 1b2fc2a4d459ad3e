/// The 64-bit Fowler-Noll-Vo hash, variant 1a, which gives synthetic objects their inode numbers.
public enum FNV1a {
    public static let offsetBasis: UInt64 = 0xcbf2_9ce4_8422_2325
    public static let prime: UInt64 = 0x0000_0100_0000_01b3

    /// The hash of `bytes`; with `from` it goes on where an earlier one ended.
    public static func hash(_ bytes: [UInt8], from start: UInt64 = offsetBasis) -> UInt64 {
        var value = start
        for byte in bytes {
            value ^= UInt64(byte)
            value = value &* prime
        }
        return value
    }
}
