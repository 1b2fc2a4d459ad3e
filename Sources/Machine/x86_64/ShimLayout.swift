#if arch(x86_64)
import CShim

/// Where the guest's "kernel" pages are: a branch of the address space between the arena and the lowest place that the host's vDSO can have.
///
///     base + 0x00000  GDT                     supervisor
///     base + 0x01000  IDT                     supervisor
///     base + 0x02000  exception stubs         supervisor, 16 bytes each
///     base + 0x03000  the code behind `syscall`  user, executable (`syscall` may land in ring 3)
///     base + 0x04000  stubs that rewritten call sites jump to  user, executable
///     base + 0x10000  one page per vCPU: TSS at its start, exception stack down from its end
///     base + 0x200000 the vCPU's own page for that code, user and writable; each vCPU has another one here
enum ShimLayout {
    static let base: UInt64 = 0x6e80_0000_0000
    static let gdt = base
    static let idt = base + 0x1000
    static let exceptionStubs = base + 0x2000
    static let systemCallEntry = base + 0x3000
    static let perCPU = base + 0x1_0000
    static let fastPage = systemCallEntry + UInt64(VMRUN_FAST_DISTANCE)

    static let stubSize: UInt64 = 16
    /// The one port that tells the host something. 0x7e because KVM leaves RIP behind the OUT there on every flavour.
    static let port: UInt16 = 0x7e
    /// `out %al, $0x7e`: one byte wide, because the I/O bitmap is asked about every port that an OUT spans.
    static let outInstruction: [UInt8] = [0xe6, 0x7e]
    /// Bytes of the OUT.
    static let afterOut: UInt64 = 2

    /// The top-level entry under which all of it lies.
    static let userBranch: Int? = PageTables.index(base, level: 4)

    /// More touch only instructions that keep what they have done so far: gathers, and those on strings.
    static let mostPagesOfInstruction = 24

    static func perCPUPage(_ index: Int) -> UInt64 { perCPU + UInt64(index) * 0x1000 }
    static func exceptionStackTop(_ index: Int) -> UInt64 { perCPUPage(index) + 0x1000 }

    /// Selectors as Linux has them: user programs may look.
    enum Selector {
        static let kernelCode: UInt16 = 0x10
        static let userData: UInt16 = 0x2b
        static let userCode: UInt16 = 0x33
        static let task: UInt16 = 0x40
    }

    /// GDT entries by index. The last is Linux's segment whose limit tells LSL the cpu and node: both 0 here.
    static let gdtEntries: [(index: Int, descriptor: UInt64)] = [
        (2, 0x00af_9b00_0000_ffff), (3, 0x00cf_9300_0000_ffff), (4, 0x00cf_fb00_0000_ffff),
        (5, 0x00cf_f300_0000_ffff), (6, 0x00af_fb00_0000_ffff), (15, 0x0040_f500_0000_0000),
    ]

    /// TSS: 104 bytes, then the I/O permission bitmap up to `port` and its closing byte of ones.
    static let ioBitmapOffset: UInt16 = 104
    static let tssLimit: UInt32 = UInt32(ioBitmapOffset) + UInt32(port) / 8 + 1

    static let trapFlag: UInt64 = 0x100

    /// Whether bits 47 to 63 are all the same, as they are in every address that a processor with four levels can use.
    static func isCanonical(_ address: UInt64) -> Bool {
        let upper = Int64(bitPattern: address) >> 47
        return upper == 0 || upper == -1
    }

    /// User RFLAGS bits that a guest may choose; IF is always on, bit 1 is always one.
    static func userFlags(_ flags: UInt64) -> UInt64 { (flags & 0x25_4dd5) | 0x202 }
}

/// Processor exceptions by vector.
enum ExceptionVector {
    static let divide: UInt64 = 0
    static let debug: UInt64 = 1
    static let breakpoint: UInt64 = 3
    static let overflow: UInt64 = 4
    static let bounds: UInt64 = 5
    static let invalidOpcode: UInt64 = 6
    static let segmentNotPresent: UInt64 = 11
    static let stackFault: UInt64 = 12
    static let generalProtection: UInt64 = 13
    static let pageFault: UInt64 = 14
    static let x87: UInt64 = 16
    static let alignment: UInt64 = 17
    static let simd: UInt64 = 19

    /// Whether the processor pushes an error code.
    static func hasErrorCode(_ vector: UInt64) -> Bool {
        switch vector {
        case 8, 10, 11, 12, 13, 14, 17, 21, 29, 30: true
        default: false
        }
    }
}

/// Bits of a page fault's error code.
enum PageFaultBits {
    static let present: UInt64 = 1
    static let write: UInt64 = 2
    static let user: UInt64 = 4
    static let fetch: UInt64 = 16
}
#endif
