import CShim

/// The address families of socket(2).
enum AddressFamilies {
    /// One that no kernel has: EAFNOSUPPORT, where the kernel itself finds nothing else wrong before.
    static let impossible: UInt32 = .max

    /// Whether calls of this family carry no pointers in places that nothing here knows.
    static func isServed(_ family: UInt32) -> Bool {
        switch Int32(truncatingIfNeeded: family) {
        case AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_CAN, AF_BLUETOOTH, AF_ALG, AF_VSOCK: true
        default: false
        }
    }

    /// Whether a guest may have sockets of it. What reaches no network reaches only processes of this machine: AF_UNIX.
    static func isServed(_ family: UInt32, in network: HostCalls.Network) -> Bool {
        isServed(family) && (network == .host || Int32(truncatingIfNeeded: family) <= AF_UNIX)
    }

    /// All that the host may be asked for.
    static func passedOn(_ network: HostCalls.Network) -> [UInt32] {
        (0..<64).filter { isServed($0, in: network) } + [impossible]
    }
}
