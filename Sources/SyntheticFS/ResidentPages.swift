import CShim
import Host

/// How many pages are in memory, as the kernel's mm counts them.
struct ResidentPages {
    var anonymous: UInt64 = 0
    var file: UInt64 = 0
    var shared: UInt64 = 0

    var total: UInt64 { anonymous + file + shared }

    private static let present: UInt64 = 1 << 63
    private static let fileOrShared: UInt64 = 1 << 61

    /// Those of `mappings` of a process, by its pagemap. What cannot be read counts as nothing: then the caller may not see the
    /// sizes either.
    static func count(of process: Int32, _ mappings: [MapsText.Hidden]) -> ResidentPages {
        var pages = ResidentPages()
        let path = ProcessScope(process: process, thread: nil).path("pagemap")
        guard !mappings.isEmpty, let descriptor = try? HostFile.openInternal(path, flags: O_RDONLY) else { return pages }
        defer { HostFile.close(descriptor) }
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 4096) { buffer in
            // Neighbours share a read.
            var window: Range<UInt64> = 0..<0
            for mapping in mappings {
                for page in mapping.start >> 12..<mapping.end >> 12 {
                    if !window.contains(page) {
                        let count = Host.raw(
                            Int32(SYS_pread64), Int(descriptor), Int(bitPattern: buffer.baseAddress), buffer.count * 8,
                            Int(page * 8))
                        guard count >= 8 else { break }
                        window = page..<page + UInt64(min(count / 8, buffer.count))
                    }
                    let entry = buffer[Int(page - window.lowerBound)]
                    guard entry & present != 0 else { continue }
                    if entry & fileOrShared == 0 {
                        pages.anonymous += 1
                    } else if mapping.isShared {
                        pages.shared += 1
                    } else {
                        pages.file += 1
                    }
                }
            }
        }
        return pages
    }
}
