#if arch(arm64)
import CShim
import Host

/// Scalable vectors (SVE) as Linux gives them to a thread: they come with the first instruction that needs them, and a system call
/// leaves only the lower 128 bits of each. How long they are, prctl(PR_SVE_SET_VL) has told the host thread, which also gives it on
/// to children and over an exec as Linux does.
extension GuestCPU {
    public var hasScalableVectors: Bool { machine.features.hasScalableVectors }

    /// Bytes of one vector.
    public var vectorLength: Int {
        if usesScalableVectors { return Int(registers.pointee.length + 1) * Self.quadword }
        return max(Host.raw(Int32(SYS_prctl), Int(PR_SVE_GET_VL), 0, 0, 0, 0) & Self.lengthMask, Self.quadword)
    }

    /// PR_SVE_VL_LEN_MASK.
    private static let lengthMask = 0xffff
    private static let quadword = 16
    /// LEN of ZCR_EL1 has four bits.
    private static let longestVector = 256

    /// The guest has used one, and may from now on.
    func useScalableVectors() {
        registers.pointee.length = UInt64(min(vectorLength, Self.longestVector) / Self.quadword - 1)
        registers.pointee.access = CPUFeatures.coprocessorAccess | CPUFeatures.scalableAccess
        usesScalableVectors = true
        request(VMRUN_SHIM_SCALABLE_ACCESS)
        request(VMRUN_SHIM_CLEAR_SCALABLE)
    }

    /// Back to what a thread begins with, and what a change of the length leaves.
    public func dropScalableVectors() {
        guard usesScalableVectors else { return }
        usesScalableVectors = false
        registers.pointee.access = CPUFeatures.coprocessorAccess
        request(VMRUN_SHIM_SCALABLE_ACCESS)
    }

    // MARK: Their state: Z0 to Z31, P0 to P15, FFR, as the frames of signals have it

    /// Its bytes with vectors of `length` bytes.
    public static func scalableStateSize(_ length: Int) -> Int { 32 * length + 17 * length / 8 }

    /// Its bytes now: none where the guest does not use them.
    public var scalableStateSize: Int { usesScalableVectors ? Self.scalableStateSize(vectorLength) : 0 }

    private var scalableState: UnsafeMutableRawPointer { UnsafeMutableRawPointer(registers) + Int(VMRUN_SHIM_SCALABLE) }

    /// Copies `scalableStateSize` bytes; to be called behind `saveExtendedState`.
    public func copyScalableState(to buffer: UnsafeMutableRawPointer) {
        buffer.copyMemory(from: scalableState, byteCount: scalableStateSize)
    }

    /// `state` has vectors of the length that the thread has. The lower 128 bits are taken from `registers`.
    func loadScalableState(_ state: UnsafeMutableRawPointer) {
        if !usesScalableVectors { useScalableVectors() }
        let length = vectorLength
        scalableState.copyMemory(from: state, byteCount: Self.scalableStateSize(length))
        withUnsafeBytes(of: &registers.pointee.vectors.v) { vectors in
            guard let source = vectors.baseAddress else { return }
            for index in 0..<32 {
                (scalableState + index * length).copyMemory(from: source + index * Self.quadword, byteCount: Self.quadword)
            }
        }
        request(VMRUN_SHIM_LOAD_SCALABLE)
    }
}
#endif
