import LinuxABI

/// What capset(2) and prctl(2) do to credentials.
extension FakeCredentials {
    /// capset(2).
    public mutating func capset(permitted: UInt64, effective: UInt64, inheritable: UInt64) throws(GuestErrno) {
        let permitted = permitted & Capabilities.all
        let effective = effective & Capabilities.all
        let inheritable = inheritable & Capabilities.all
        let old = capabilities
        if !has(Capabilities.setpcap) && inheritable & ~(old.inheritable | old.permitted) != 0 { throw .EPERM }
        if inheritable & ~(old.inheritable | old.bounding) != 0 { throw .EPERM }
        if permitted & ~old.permitted != 0 { throw .EPERM }
        if effective & ~permitted != 0 { throw .EPERM }
        capabilities.permitted = permitted
        capabilities.effective = effective
        capabilities.inheritable = inheritable
        capabilities.ambient &= permitted & inheritable
    }

    /// PR_CAPBSET_READ.
    public func isBounding(_ capability: UInt64) throws(GuestErrno) -> Bool {
        guard capability <= UInt64(Capabilities.last) else { throw .EINVAL }
        return capabilities.bounding >> capability & 1 != 0
    }

    /// PR_CAPBSET_DROP.
    public mutating func dropBounding(_ capability: UInt64) throws(GuestErrno) {
        guard has(Capabilities.setpcap) else { throw .EPERM }
        guard capability <= UInt64(Capabilities.last) else { throw .EINVAL }
        capabilities.bounding &= ~(1 << capability)
    }

    /// PR_GET_KEEPCAPS.
    public var keepsCapabilities: Bool { secureBits & SecureBits.keepCapabilities != 0 }

    /// PR_SET_KEEPCAPS.
    public mutating func setKeepsCapabilities(_ value: UInt64) throws(GuestErrno) {
        guard value <= 1 else { throw .EINVAL }
        // Its lock is the next bit.
        if secureBits & SecureBits.keepCapabilities << 1 != 0 { throw .EPERM }
        secureBits = secureBits & ~SecureBits.keepCapabilities | (value == 1 ? SecureBits.keepCapabilities : 0)
    }

    /// PR_SET_SECUREBITS.
    public mutating func setSecureBits(_ value: UInt64) throws(GuestErrno) {
        let locked = (secureBits & SecureBits.locks) >> 1
        guard value & ~UInt64(SecureBits.all) == 0 else { throw .EPERM }
        let new = UInt32(truncatingIfNeeded: value)
        if locked & (secureBits ^ new) != 0 || secureBits & SecureBits.locks & ~new != 0 || !has(Capabilities.setpcap) {
            throw .EPERM
        }
        secureBits = new
    }

    /// PR_CAP_AMBIENT: PR_CAP_AMBIENT_IS_SET, _RAISE, _LOWER, _CLEAR_ALL.
    public mutating func ambient(_ operation: UInt64, _ capability: UInt64) throws(GuestErrno) -> Int {
        if operation == 4 {
            guard capability == 0 else { throw .EINVAL }
            capabilities.ambient = 0
            return 0
        }
        guard (1...3).contains(operation), capability <= UInt64(Capabilities.last) else { throw .EINVAL }
        let bit: UInt64 = 1 << capability
        switch operation {
        case 1: return capabilities.ambient & bit == 0 ? 0 : 1
        case 2:
            // SECBIT_NO_CAP_AMBIENT_RAISE.
            guard capabilities.permitted & capabilities.inheritable & bit != 0, secureBits & 1 << 6 == 0 else { throw .EPERM }
            capabilities.ambient |= bit
        default: capabilities.ambient &= ~bit
        }
        return 0
    }
}
