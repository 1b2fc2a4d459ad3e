/// How a trace reads the memory of the program that it shows.
public struct TracedMemory {
    /// Copies as many bytes as the buffer has from an address; false where not all of them can be read.
    let copy: (UInt64, UnsafeMutableRawBufferPointer) -> Bool

    public init(_ copy: @escaping (UInt64, UnsafeMutableRawBufferPointer) -> Bool) { self.copy = copy }

    /// nil where one of the bytes cannot be read.
    func bytes(at address: UInt64, count: Int) -> Fields? {
        guard count >= 0, count <= Self.most else { return nil }
        var content = [UInt8](repeating: 0, count: count)
        let isWhole = count == 0 || content.withUnsafeMutableBytes { copy(address, $0) }
        return isWhole ? Fields(content) : nil
    }

    /// What a trace reads at once.
    private static let most = 1 << 20

    func word(at address: UInt64) -> UInt64? { bytes(at: address, count: 8)?.u64(0) }

    /// A NUL-terminated string as far as it is readable, and whether it ended within `limit`; nil where nothing of it is.
    func string(at address: UInt64, limit: Int) -> (bytes: ArraySlice<UInt8>, isWhole: Bool)? {
        var result: [UInt8] = []
        var position = address
        while result.count < limit {
            // Not across pages: the next one may not be there.
            let count = min(limit &- result.count, Int(Self.page &- (position & (Self.page &- 1))))
            guard let part = bytes(at: position, count: count)?.content else {
                return result.isEmpty ? nil : (result[...], false)
            }
            if let end = part.firstIndex(of: 0) {
                result.append(contentsOf: part[..<end])
                return (result[...], true)
            }
            result.append(contentsOf: part)
            position &+= UInt64(count)
        }
        return (result[...], false)
    }

    private static let page: UInt64 = 4096
}

/// Bytes of the program, read as numbers. Places beyond the end are zero.
struct Fields {
    let content: [UInt8]

    init(_ content: [UInt8]) { self.content = content }

    private func number(_ offset: Int, _ size: Int) -> UInt64 {
        var result: UInt64 = 0
        for index in 0..<size where offset + index < content.count {
            result |= UInt64(content[offset + index]) << UInt64(index * 8)
        }
        return result
    }

    func u16(_ offset: Int) -> UInt64 { number(offset, 2) }
    func u32(_ offset: Int) -> UInt64 { number(offset, 4) }
    func u64(_ offset: Int) -> UInt64 { number(offset, 8) }
    func i32(_ offset: Int) -> Int64 { Int64(Int32(truncatingIfNeeded: number(offset, 4))) }
    func i64(_ offset: Int) -> Int64 { Int64(bitPattern: number(offset, 8)) }
}
