#if arch(arm64)
import CShim
import Host

/// Pointer authentication: the keys are a thread's own, random in a program that begins, and inherited by threads and children.
enum PointerKeys {
    /// PR_PAC_APIAKEY, _APIBKEY, _APDAKEY, _APDBKEY, _APGAKEY.
    fileprivate static let all: UInt64 = 0x1f
    /// Of these, those that SCTLR_EL1 can switch off.
    private static let addressKeys: UInt64 = 0xf
    /// SCTLR_EL1.EnIA, EnIB, EnDA, EnDB, in the order of the keys.
    private static let enableBits: [4 of UInt64] = [1 << 31, 1 << 30, 1 << 27, 1 << 13]
    static var enableMask: UInt64 { controlBits(addressKeys) }

    /// The bits of SCTLR_EL1 for a set of keys.
    static func controlBits(_ keys: UInt64) -> UInt64 {
        var bits: UInt64 = 0
        for index in 0..<4 where keys & (1 << UInt64(index)) != 0 { bits |= enableBits[index] }
        return bits
    }

    /// The reverse.
    static func keys(_ control: UInt64) -> UInt64 {
        var keys: UInt64 = 0
        for index in 0..<4 where control & enableBits[index] != 0 { keys |= 1 << UInt64(index) }
        return keys
    }
}

extension GuestCPU {
    public var hasPointerAuthentication: Bool { machine.features.hasPointerAuthentication }

    /// Gives the guest thread other keys, for each bit of `wanted` (PR_PAC_*), or all of them where that is 0. False where there is
    /// no such key.
    @discardableResult
    public func resetPointerKeys(_ wanted: UInt64) -> Bool {
        let keys = wanted == 0 ? PointerKeys.all : wanted
        guard keys & ~PointerKeys.all == 0 else { return false }
        guard hasPointerAuthentication else { return true }
        withUnsafeMutableBytes(of: &registers.pointee.keys) { words in
            guard let base = words.baseAddress else { return }
            for index in 0..<5 where keys & (1 << UInt64(index)) != 0 {
                _ = Host.raw(Int32(SYS_getrandom), Int(bitPattern: base + index * 16), 16, 0)
            }
        }
        request(VMRUN_SHIM_POINTER_KEYS)
        return true
    }

    /// The keys for addresses that are in use, as PR_PAC_GET_ENABLED_KEYS tells.
    public var enabledPointerKeys: UInt64 {
        get { PointerKeys.keys(registers.pointee.control) }
        set {
            let control = registers.pointee.control & ~PointerKeys.enableMask
            registers.pointee.control = control | PointerKeys.controlBits(newValue)
            request(VMRUN_SHIM_POINTER_KEYS)
        }
    }

    /// Those of the thread that has made this one.
    func takePointerKeys(of page: vmrun_shim_page) {
        guard hasPointerAuthentication else { return }
        registers.pointee.keys = page.keys
        registers.pointee.control = page.control
        request(VMRUN_SHIM_POINTER_KEYS)
    }
}
#endif
