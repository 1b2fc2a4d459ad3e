import CShim

/// What an ELF file is built for: all that tells which processor, or which translator, can run it.
public struct ELFMachine: Equatable {
    /// e_machine.
    public let number: UInt16
    public let is32Bit: Bool
    public let isBigEndian: Bool
    /// EF_MIPS_ABI2: a 32-bit file for 64-bit MIPS.
    public let isN32: Bool

    public init(_ number: UInt16, is32Bit: Bool = false, isBigEndian: Bool = false, isN32: Bool = false) {
        self.number = number
        self.is32Bit = is32Bit
        self.isBigEndian = isBigEndian
        self.isN32 = isN32
    }

    /// Reads it from a file's first bytes. Nil where they are too few, or not ELF's.
    public init?(head: [UInt8]) {
        guard head.count > 19, head[0] == 0x7f, head[1] == UInt8(ascii: "E"), head[2] == UInt8(ascii: "L"),
            head[3] == UInt8(ascii: "F")
        else { return nil }
        is32Bit = head[Int(EI_CLASS)] == UInt8(ELFCLASS32)
        let little = UInt16(head[18]) | UInt16(head[19]) << 8
        // For its own programs Linux does not look at the byte order.
        isBigEndian = head[Int(EI_DATA)] == UInt8(ELFDATA2MSB) && little != GuestArchitecture.machine
        number = isBigEndian ? little.byteSwapped : little
        // The lowest byte of a 32-bit header's e_flags.
        let flags = isBigEndian ? 39 : 36
        isN32 = is32Bit && number == UInt16(EM_MIPS) && head.count > flags && head[flags] & 0x20 != 0
    }

    /// Linux looks at e_machine and the class alone.
    public var isNative: Bool { number == GuestArchitecture.machine && !is32Bit && !isBigEndian }

    /// qemu-user's name of it, which --interp takes: `aarch64`, `arm`, `riscv64`. Nil where qemu-user has none.
    public var name: StaticString? {
        for entry in Self.table where entry.machine == self { return entry.name }
        return nil
    }

    /// The machine that qemu-user calls `name`.
    public init?(named name: [UInt8]) {
        for entry in Self.table where entry.name.withUTF8Buffer({ $0.elementsEqual(name) }) {
            self = entry.machine
            return
        }
        return nil
    }

    private struct Entry {
        let name: StaticString
        let machine: ELFMachine

        init(_ name: StaticString, _ machine: ELFMachine) {
            self.name = name
            self.machine = machine
        }
    }

    /// As in Debian's /usr/lib/binfmt.d/qemu-*.conf. Newer machines' numbers are missing in older headers.
    private static let table: [Entry] = [
        Entry("aarch64", ELFMachine(183)),
        Entry("aarch64_be", ELFMachine(183, isBigEndian: true)),
        Entry("alpha", ELFMachine(0x9026)),
        Entry("arm", ELFMachine(40, is32Bit: true)),
        Entry("armeb", ELFMachine(40, is32Bit: true, isBigEndian: true)),
        Entry("cris", ELFMachine(76, is32Bit: true)),
        Entry("hexagon", ELFMachine(164, is32Bit: true)),
        Entry("hppa", ELFMachine(15, is32Bit: true, isBigEndian: true)),
        Entry("i386", ELFMachine(3, is32Bit: true)),
        Entry("loongarch64", ELFMachine(258)),
        Entry("m68k", ELFMachine(4, is32Bit: true, isBigEndian: true)),
        Entry("microblaze", ELFMachine(0xbaab, is32Bit: true, isBigEndian: true)),
        Entry("microblazeel", ELFMachine(0xbaab, is32Bit: true)),
        Entry("mips", ELFMachine(8, is32Bit: true, isBigEndian: true)),
        Entry("mipsel", ELFMachine(8, is32Bit: true)),
        Entry("mipsn32", ELFMachine(8, is32Bit: true, isBigEndian: true, isN32: true)),
        Entry("mipsn32el", ELFMachine(8, is32Bit: true, isN32: true)),
        Entry("mips64", ELFMachine(8, isBigEndian: true)),
        Entry("mips64el", ELFMachine(8)),
        Entry("nios2", ELFMachine(113, is32Bit: true)),
        Entry("or1k", ELFMachine(92, is32Bit: true, isBigEndian: true)),
        Entry("ppc", ELFMachine(20, is32Bit: true, isBigEndian: true)),
        Entry("ppc64", ELFMachine(21, isBigEndian: true)),
        Entry("ppc64le", ELFMachine(21)),
        Entry("riscv32", ELFMachine(243, is32Bit: true)),
        Entry("riscv64", ELFMachine(243)),
        Entry("s390x", ELFMachine(22, isBigEndian: true)),
        Entry("sh4", ELFMachine(42, is32Bit: true)),
        Entry("sh4eb", ELFMachine(42, is32Bit: true, isBigEndian: true)),
        Entry("sparc", ELFMachine(2, is32Bit: true, isBigEndian: true)),
        Entry("sparc32plus", ELFMachine(18, is32Bit: true, isBigEndian: true)),
        Entry("sparc64", ELFMachine(43, isBigEndian: true)),
        Entry("x86_64", ELFMachine(62)),
        Entry("xtensa", ELFMachine(94, is32Bit: true)),
        Entry("xtensaeb", ELFMachine(94, is32Bit: true, isBigEndian: true)),
    ]
}
