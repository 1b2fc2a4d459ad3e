import CShim

/// The `struct linux_dirent64` records of getdents64(2): d_ino u64, d_off s64, d_reclen u16, d_type u8, d_name.
public enum DirectoryRecords {
    static let headerSize = 19

    struct Entry {
        let name: [UInt8]
        let inode: UInt64
        /// A DT_* value.
        let type: UInt8
    }

    static func length(nameCount: Int) -> Int { (headerSize + nameCount + 1 + 7) & ~7 }

    /// Packs entries; each record's d_off is the byte offset of the next, so that a file offset is a cookie.
    static func pack(_ entries: [Entry]) -> [UInt8] {
        var records: [UInt8] = []
        for entry in entries where entry.name.count <= 255 {
            let start = records.count
            let size = length(nameCount: entry.name.count)
            append(entry.inode, to: &records)
            append(UInt64(start + size), to: &records)
            records.append(UInt8(truncatingIfNeeded: size))
            records.append(UInt8(truncatingIfNeeded: size >> 8))
            records.append(entry.type)
            records.append(contentsOf: entry.name)
            while records.count < start + size { records.append(0) }
        }
        return records
    }

    private static func append(_ value: UInt64, to records: inout [UInt8]) {
        for shift in stride(from: 0, to: 64, by: 8) { records.append(UInt8(truncatingIfNeeded: value >> UInt64(shift))) }
    }

    /// The size of the record at `offset`, or nil where no whole record is.
    static func recordLength(in records: UnsafeRawBufferPointer, at offset: Int) -> Int? {
        guard offset >= 0, offset + headerSize < records.count else { return nil }
        let length = Int(records.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
        return length > headerSize && offset + length <= records.count ? length : nil
    }

    /// How many bytes at the beginning are whole records.
    static func wholeRecords(in records: UnsafeRawBufferPointer) -> Int {
        var end = 0
        while let length = recordLength(in: records, at: end) { end += length }
        return end
    }

    static func forEach(in records: UnsafeRawBufferPointer, _ body: ([UInt8]) -> Void) {
        var offset = 0
        while let length = recordLength(in: records, at: offset) {
            let name = records[(offset + headerSize)..<(offset + length)]
            body(Array(name.prefix { $0 != 0 }))
            offset += length
        }
    }

    /// Turns whole linux_dirent64 records into those of getdents(2), in place: d_name moves to offset 18 and d_type to the
    /// last byte. Both forms have the same length.
    public static func convertToLegacy(_ records: UnsafeMutableRawBufferPointer) {
        var offset = 0
        while let length = recordLength(in: UnsafeRawBufferPointer(records), at: offset) {
            let type = records[offset + 18]
            for index in (offset + 18)..<(offset + length - 1) { records[index] = records[index + 1] }
            records[offset + length - 1] = type
            offset += length
        }
    }
}
