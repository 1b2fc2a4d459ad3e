import CShim
import Machine

/// The fields of siginfo_t that vmrun fills in itself. The layout is the kernel's (include/uapi/asm-generic/siginfo.h):
/// signal, errno and code as 32-bit words, then the union at byte 16.
public enum SignalInformation {
    static let addressOffset = 16

    static func setFault(_ info: inout siginfo_t, _ fault: GuestFault) {
        withUnsafeMutableBytes(of: &info) { bytes in
            bytes.storeBytes(of: fault.signal, toByteOffset: 0, as: Int32.self)
            bytes.storeBytes(of: 0, toByteOffset: 4, as: Int32.self)
            bytes.storeBytes(of: fault.code, toByteOffset: 8, as: Int32.self)
            bytes.storeBytes(of: fault.address, toByteOffset: addressOffset, as: UInt64.self)
        }
    }
}
