import CShim
import Machine

/// The fields of siginfo_t that vmrun fills in itself. The layout is the kernel's (include/uapi/asm-generic/siginfo.h):
/// signal, errno and code as 32-bit words, then the union at byte 16.
public enum SignalInformation {
    static let addressOffset = 16

    public static func setFault(_ info: inout siginfo_t, _ fault: GuestFault) {
        withUnsafeMutableBytes(of: &info) { bytes in
            bytes.storeBytes(of: fault.signal, toByteOffset: 0, as: Int32.self)
            bytes.storeBytes(of: 0, toByteOffset: 4, as: Int32.self)
            bytes.storeBytes(of: fault.code, toByteOffset: 8, as: Int32.self)
            bytes.storeBytes(of: fault.address, toByteOffset: addressOffset, as: UInt64.self)
        }
    }

    /// SYS_SECCOMP.
    private static let filtered: Int32 = 1

    static func setRefusal(_ info: inout siginfo_t, _ call: RefusedCall) {
        withUnsafeMutableBytes(of: &info) { bytes in
            bytes.storeBytes(of: SIGSYS, toByteOffset: 0, as: Int32.self)
            bytes.storeBytes(of: call.data, toByteOffset: 4, as: Int32.self)
            bytes.storeBytes(of: filtered, toByteOffset: 8, as: Int32.self)
            bytes.storeBytes(of: call.address, toByteOffset: addressOffset, as: UInt64.self)
            bytes.storeBytes(of: call.number, toByteOffset: addressOffset + 8, as: Int32.self)
            bytes.storeBytes(of: call.architecture, toByteOffset: addressOffset + 12, as: UInt32.self)
        }
    }
}

/// A system call in whose place SIGSYS comes (SECCOMP_RET_TRAP).
public struct RefusedCall {
    /// Behind the call's instruction.
    let address: UInt64
    let number: Int32
    let architecture: UInt32
    /// For si_errno.
    let data: Int32

    public init(address: UInt64, number: Int32, architecture: UInt32, data: Int32) {
        self.address = address
        self.number = number
        self.architecture = architecture
        self.data = data
    }
}
