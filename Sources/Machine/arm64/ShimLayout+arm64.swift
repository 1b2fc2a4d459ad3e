#if arch(arm64)
/// Where the guest's "kernel" pages are: in the upper half of the address space, which has page tables of its own (TTBR1) and no
/// page that the user may touch.
///
///     base + 0x00000  exception vectors and the code behind them
///     base + 0x01000  the doorbell: an access leaves the guest
///     base + 0x10000  16 KiB per vCPU: the page that SP_EL1 points to, and its scalable vectors if it has them
///
/// The one page for the user is in the lower half, above the arena: what signal handlers return to.
enum ShimLayout {
    static let base: UInt64 = 0xffff_8000_0000_0000
    static let vectors = base
    static let doorbell = base + 0x1000
    static let perCPU = base + 0x1_0000
    static let sigreturn: UInt64 = 0xa900_0000_0000

    /// No memslot is here: below the vDSO's, above KernelMemory's blocks.
    static let doorbellPhysical: UInt64 = (4 << 30) - (128 << 20)

    /// The top-level entry in which a probe needs the shim: none, it has tables of its own.
    static let userBranch: Int? = nil

    /// A gather begins anew after a fault: 64 elements, each across a page's end, and the instruction itself.
    static let mostPagesOfInstruction = 140

    static func perCPUPage(_ index: Int) -> UInt64 { perCPU + UInt64(index) * 0x4000 }

    /// PSTATE of EL1 with SP_EL1 and every interrupt masked, with which a vCPU begins.
    static let startState: UInt64 = 0x3c5

    /// What a user may choose of PSTATE: NZCV, DIT, SSBS, BTYPE.
    static func userState(_ state: UInt64) -> UInt64 { state & 0xf100_1c00 }
}

/// Numbers of the vectors, as the shim reports them: those of exceptions that EL0 takes.
enum ExceptionVector {
    static let synchronous: UInt64 = 8
    static let interrupt: UInt64 = 9
}

/// ESR_ELx.EC.
enum ExceptionClass {
    static let unknown: UInt64 = 0x00
    static let wait: UInt64 = 0x01
    static let systemCall: UInt64 = 0x15
    static let systemRegister: UInt64 = 0x18
    static let scalableVectors: UInt64 = 0x19
    static let pointerAuthentication: UInt64 = 0x1c
    static let instructionAbort: UInt64 = 0x20
    static let instructionAlignment: UInt64 = 0x22
    static let dataAbort: UInt64 = 0x24
    static let stackAlignment: UInt64 = 0x26
    static let floatingPoint: UInt64 = 0x2c
    static let breakpoint: UInt64 = 0x3c
}

/// ESR_ELx.ISS of an abort.
enum AbortSyndrome {
    static let statusMask: UInt64 = 0x3f
    static let write: UInt64 = 1 << 6
    /// A cache maintenance instruction, which counts as a write but needs no right to write.
    static let cacheMaintenance: UInt64 = 1 << 8
    static let alignment: UInt64 = 0x21
    static let translationLevel3: UInt64 = 0x07
    static let permissionLevel3: UInt64 = 0x0f

    /// Whether stage 1 refused the access: address size, translation, access flag and permission faults.
    static func isTableFault(_ status: UInt64) -> Bool { status < 0x10 }
}
#endif
