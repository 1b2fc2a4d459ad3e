import CShim
import Host

/// The calling thread's capabilities: capabilities(7).
enum HostCapabilities {
    static let CAP_NET_ADMIN: UInt32 = 12

    private static let version: UInt32 = 0x2008_0522

    /// A header and twice effective, permitted and inheritable, of 32 capabilities each.
    private typealias Header = (UInt32, UInt32)
    private typealias Sets = (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32)

    /// Calls `body` with the thread's own, and with nil where they cannot be had.
    private static func withSets<Result>(_ body: (_ header: UnsafeMutablePointer<Header>, UnsafeMutablePointer<Sets>?) -> Result) -> Result {
        var header: Header = (version, 0)
        var sets: Sets = (0, 0, 0, 0, 0, 0)
        return withUnsafeMutablePointer(to: &header) { header in
            withUnsafeMutablePointer(to: &sets) { sets in
                body(header, Host.raw(Int32(SYS_capget), header.argument, sets.argument) == 0 ? sets : nil)
            }
        }
    }

    /// Whether the capability (a number below 32) is effective.
    static func has(_ capability: UInt32) -> Bool {
        withSets { _, sets in sets.map { $0.pointee.0 >> capability & 1 != 0 } ?? false }
    }

    /// Runs `body` while the capability (a number below 32) is not effective.
    static func without(_ capability: UInt32, _ body: () -> Int) -> Int {
        withSets { header, sets in
            let bit = UInt32(1) << capability
            guard let sets, sets.pointee.0 & bit != 0 else { return body() }
            sets.pointee.0 &= ~bit
            _ = Host.raw(Int32(SYS_capset), header.argument, sets.argument)
            defer {
                sets.pointee.0 |= bit
                _ = Host.raw(Int32(SYS_capset), header.argument, sets.argument)
            }
            return body()
        }
    }
}
