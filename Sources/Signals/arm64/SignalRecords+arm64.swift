#if arch(arm64)
import CShim
import GuestMemory
import LinuxABI
import Machine

/// The records behind the registers of a signal frame (uapi/asm/sigcontext.h), 16-byte aligned, the last one empty: FPSIMD, ESR where
/// there is a fault, and SVE where the processor has it. What does not fit into the 4096 bytes lies behind an extra_context and a
/// terminator of its own, and makes the frame larger.
struct SignalRecords {
    /// sigcontext's __reserved.
    static let reservedSize = 4096
    private static let header = 8
    private static let terminatorSize = 16

    private static let vectorsMagic: UInt32 = 0x4650_8001
    private static let vectorsSize = 528
    private static let syndromeMagic: UInt32 = 0x4553_5201
    private static let syndromeSize = 16
    private static let scalableMagic: UInt32 = 0x5356_4501
    /// What comes before the registers: header, length, flags.
    private static let scalableHeader = 16
    private static let extraMagic: UInt32 = 0x4558_5401
    private static let extraSize = 32
    /// SIGFRAME_MAXSZ.
    private static let largestFrame: UInt64 = 65536

    // MARK: Writing

    private let syndrome: UInt64?
    /// Where the SVE record is and its size, 0 where there is none; and the extra_context before it, if there is one.
    private let scalable: Int
    private let scalableSize: Int
    private let extra: Int?
    private let end: Int

    /// Bytes that the records take in the frame: a multiple of 16, `reservedSize` at least.
    var size: Int { max(Self.reservedSize, end + Self.terminatorSize) }

    init(_ cpu: GuestCPU, _ fault: GuestFault?) {
        syndrome = fault.flatMap { $0.errorCode == 0 ? nil : $0.errorCode }
        let next = Self.vectorsSize + (syndrome == nil ? 0 : Self.syndromeSize)
        scalableSize = cpu.hasScalableVectors ? (Self.scalableHeader + cpu.scalableStateSize + 15) & ~15 : 0
        let fits = next + scalableSize + Self.extraSize + Self.terminatorSize <= Self.reservedSize
        extra = fits ? nil : next
        scalable = fits ? next : next + Self.extraSize + Self.terminatorSize
        end = scalable + scalableSize
    }

    /// Writes them to `area`, `size` zeroed bytes which will be at `address` in the guest.
    func store(_ cpu: GuestCPU, to area: UnsafeMutableRawPointer, at address: UInt64) throws(MachineFailure) {
        Self.begin(area, Self.vectorsMagic, Self.vectorsSize)
        try cpu.saveExtendedState(area + Self.header)
        if let syndrome {
            let record = area + Self.vectorsSize
            Self.begin(record, Self.syndromeMagic, Self.syndromeSize)
            record.storeBytes(of: syndrome, toByteOffset: Self.header, as: UInt64.self)
        }
        if let extra {
            let record = area + extra
            Self.begin(record, Self.extraMagic, Self.extraSize)
            record.storeBytes(of: address + UInt64(scalable), toByteOffset: Self.header, as: UInt64.self)
            record.storeBytes(
                of: UInt32(scalableSize + Self.terminatorSize), toByteOffset: Self.header + 8, as: UInt32.self)
        }
        if scalableSize > 0 {
            let record = area + scalable
            Self.begin(record, Self.scalableMagic, scalableSize)
            record.storeBytes(of: UInt16(cpu.vectorLength), toByteOffset: Self.header, as: UInt16.self)
            cpu.copyScalableState(to: record + Self.scalableHeader)
        }
    }

    private static func begin(_ record: UnsafeMutableRawPointer, _ magic: UInt32, _ size: Int) {
        record.storeBytes(of: magic, as: UInt32.self)
        record.storeBytes(of: UInt32(size), toByteOffset: 4, as: UInt32.self)
    }

    // MARK: Reading

    /// What parse_user_sigframe() finds.
    private struct Found {
        var vectors: UnsafeMutableRawPointer?
        var scalable: (record: UnsafeMutableRawPointer, size: Int)?
        /// Where the records go on, relative to the area: the place behind the extra_context's terminator, what it says that this
        /// place is, and how many bytes it says there are.
        var extra: (offset: Int, address: UInt64, size: Int)?
    }

    /// Takes over what the `reservedSize` bytes of `area`, which are at `address` in the guest, say of the processor. EFAULT where a
    /// record is unknown, twice there or not whole, or where there are no vectors.
    static func restore(
        _ cpu: GuestCPU, from area: UnsafeMutableRawPointer, at address: UInt64
    ) throws(GuestErrno) {
        var found = Found()
        try parse(area, reservedSize, cpu, &found)
        guard let extra = found.extra else { return try apply(found, cpu) }
        guard extra.address == address &+ UInt64(extra.offset), extra.size % 16 == 0,
            UInt64(extra.size) + UInt64(extra.offset) <= largestFrame
        else { throw .EFAULT }
        var failure: GuestErrno?
        withUnsafeTemporaryAllocation(byteCount: max(extra.size, 16), alignment: 16) { buffer in
            guard let bytes = buffer.baseAddress else { return }
            do throws(GuestErrno) {
                try GuestAccess.copyIn(bytes, from: GuestAddress(extra.address), count: extra.size)
                try parse(bytes, extra.size, cpu, &found)
                try apply(found, cpu)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    private static func parse(
        _ area: UnsafeMutableRawPointer, _ limit: Int, _ cpu: GuestCPU, _ found: inout Found
    ) throws(GuestErrno) {
        var offset = 0
        while limit - offset >= header {
            let record = area + offset
            let magic = record.load(as: UInt32.self)
            let length = Int(record.load(fromByteOffset: 4, as: UInt32.self))
            if magic == 0 {
                if length != 0 { throw .EFAULT }
                return
            }
            guard length >= header, length % 16 == 0, length <= limit - offset else { throw .EFAULT }
            offset += length
            switch magic {
            case vectorsMagic:
                guard found.vectors == nil, length == vectorsSize else { throw .EFAULT }
                found.vectors = record
            case syndromeMagic: break
            case scalableMagic:
                guard cpu.hasScalableVectors, found.scalable == nil, length >= scalableHeader else { throw .EFAULT }
                found.scalable = (record, length)
            case extraMagic:
                guard found.extra == nil, length >= extraSize, limit - offset >= terminatorSize,
                    (area + offset).load(as: UInt64.self) == 0
                else { throw .EFAULT }
                found.extra = (
                    offset + terminatorSize, record.load(fromByteOffset: header, as: UInt64.self),
                    Int(record.load(fromByteOffset: header + 8, as: UInt32.self))
                )
                return
            default: throw .EFAULT
            }
        }
        throw .EFAULT
    }

    /// restore_sve_fpsimd_context(): the lower 128 bits are what the FPSIMD record says.
    private static func apply(_ found: Found, _ cpu: GuestCPU) throws(GuestErrno) {
        guard let vectors = found.vectors else { throw .EFAULT }
        var state: (UnsafeMutableRawPointer)?
        if let (record, size) = found.scalable {
            let length = Int(record.load(fromByteOffset: header, as: UInt16.self))
            let isStreaming = record.load(fromByteOffset: header + 2, as: UInt16.self) & 1 != 0
            guard !isStreaming, length == cpu.vectorLength else { throw .EFAULT }
            if size > scalableHeader {
                guard size >= scalableHeader + GuestCPU.scalableStateSize(length) else { throw .EFAULT }
                state = record + scalableHeader
            }
        }
        cpu.loadExtendedState(vectors + header, scalable: state)
    }
}
#endif
