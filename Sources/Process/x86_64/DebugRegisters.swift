#if arch(x86_64)
import CShim
import Debugger
import Machine

extension GuestDebugger {
    public var layout: RegisterLayout { DebugRegisters.layout(of: process.machine) }
}

/// A vCPU's registers in the order of `RegisterLayout.x86_64`. The x87 and vector registers are in an XSAVE image of the standard format
/// (Intel SDM volume 1, 13.4; table 10-2 for the part that FXSAVE has).
enum DebugRegisters {
    private enum Image {
        static let control = 0, status = 2, tags = 4, operation = 6, instruction = 8, operand = 16, vectorControl = 24
        static let stack = 32, vectors = 160, present = 512, upperHalves = 576
    }

    private static let x87: UInt64 = 1, sse: UInt64 = 2, avx: UInt64 = 4

    // Two constants: the description is asked for often.
    nonisolated(unsafe) private static let withVectors = RegisterLayout.x86_64(hasAVX: true)
    nonisolated(unsafe) private static let withoutVectors = RegisterLayout.x86_64(hasAVX: false)

    static func layout(of machine: GuestMachine) -> RegisterLayout {
        machine.stateComponents & avx != 0 ? withVectors : withoutVectors
    }

    // MARK: Reading

    static func bytes(of cpu: GuestCPU, vectors image: UnsafeMutableRawPointer) -> [UInt8] {
        let size = layout(of: cpu.machine).size
        var bytes = [UInt8](repeating: 0, count: size)
        bytes.withUnsafeMutableBytes { target in
            let r = cpu.shownRegisters
            let words = [
                r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip,
            ]
            for (index, word) in words.enumerated() { target.storeBytes(of: word, toByteOffset: index * 8, as: UInt64.self) }
            var place = RegisterLayout.X86.words * 8
            for value in [UInt32(truncatingIfNeeded: r.rflags)] + cpu.shownSelectors.map({ UInt32($0) }) {
                target.storeBytes(of: value, toByteOffset: place, as: UInt32.self)
                place += 4
            }
            for index in 0..<8 { copy(image + Image.stack + index * 16, target, RegisterLayout.X86.stack + index * 10, 10) }
            place = RegisterLayout.X86.stackControl
            for value in stackControl(image) {
                target.storeBytes(of: value, toByteOffset: place, as: UInt32.self)
                place += 4
            }
            copy(image + Image.vectors, target, RegisterLayout.X86.vectors, 256)
            copy(image + Image.vectorControl, target, RegisterLayout.X86.vectorControl, 4)
            // No system call is ever shown half made.
            target.storeBytes(of: UInt64.max, toByteOffset: RegisterLayout.X86.systemCall, as: UInt64.self)
            target.storeBytes(of: cpu.fsBase, toByteOffset: RegisterLayout.X86.bases, as: UInt64.self)
            target.storeBytes(of: cpu.gsBase, toByteOffset: RegisterLayout.X86.bases + 8, as: UInt64.self)
            if size > RegisterLayout.X86.upperHalves { copy(image + Image.upperHalves, target, RegisterLayout.X86.upperHalves, 256) }
        }
        return bytes
    }

    private static func copy(_ source: UnsafeMutableRawPointer, _ target: UnsafeMutableRawBufferPointer, _ place: Int, _ count: Int) {
        for index in 0..<count { target[place + index] = source.load(fromByteOffset: index, as: UInt8.self) }
    }

    /// fctrl fstat ftag fiseg fioff foseg fooff fop
    private static func stackControl(_ image: UnsafeMutableRawPointer) -> [UInt32] {
        func half(_ offset: Int) -> UInt32 { UInt32(image.load(fromByteOffset: offset, as: UInt16.self)) }
        func word(_ offset: Int) -> UInt32 { image.load(fromByteOffset: offset, as: UInt32.self) }
        return [
            half(Image.control), half(Image.status), UInt32(fullTags(image)), half(Image.instruction + 4), word(Image.instruction),
            half(Image.operand + 4), word(Image.operand), half(Image.operation) & 0x7ff,
        ]
    }

    /// The tag word as FSAVE has it: two bits for each physical register, where the image has one.
    private static func fullTags(_ image: UnsafeMutableRawPointer) -> UInt16 {
        let top = Int(image.load(fromByteOffset: Image.status, as: UInt16.self) >> 11 & 7)
        let used = image.load(fromByteOffset: Image.tags, as: UInt8.self)
        var tags: UInt16 = 0
        for register in 0..<8 {
            let tag: UInt16
            if used & 1 << UInt8(register) == 0 {
                tag = 3
            } else {
                let place = Image.stack + ((register - top) & 7) * 16
                let mantissa = image.load(fromByteOffset: place, as: UInt64.self)
                let exponent = image.load(fromByteOffset: place + 8, as: UInt16.self) & 0x7fff
                if exponent == 0 { tag = mantissa == 0 ? 1 : 2 } else { tag = exponent == 0x7fff || mantissa >> 63 == 0 ? 2 : 0 }
            }
            tags |= tag << UInt16(register * 2)
        }
        return tags
    }

    // MARK: Writing

    static func loadVectors(_ image: UnsafeMutableRawPointer, into cpu: GuestCPU) throws(MachineFailure) {
        try cpu.loadExtendedState(image)
    }

    /// The context must be a user's. Selectors and orig_rax stay as they are, and of the flags what is not a program's to choose.
    static func set(_ cpu: GuestCPU, vectors image: UnsafeMutableRawPointer, to bytes: [UInt8]) {
        bytes.withUnsafeBytes { source in
            func word(_ index: Int) -> UInt64 { source.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self) }
            func half(_ offset: Int) -> UInt32 { source.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
            let r = cpu.registers
            (r.pointee.rax, r.pointee.rbx, r.pointee.rcx, r.pointee.rdx) = (word(0), word(1), word(2), word(3))
            (r.pointee.rsi, r.pointee.rdi, r.pointee.rbp, r.pointee.rsp) = (word(4), word(5), word(6), word(7))
            (r.pointee.r8, r.pointee.r9, r.pointee.r10, r.pointee.r11) = (word(8), word(9), word(10), word(11))
            (r.pointee.r12, r.pointee.r13, r.pointee.r14, r.pointee.r15) = (word(12), word(13), word(14), word(15))
            r.pointee.rip = word(16)
            r.pointee.rflags = UInt64(half(17 * 8))
            for index in 0..<8 { store(source, RegisterLayout.X86.stack + index * 10, image + Image.stack + index * 16, 10) }
            let control = RegisterLayout.X86.stackControl
            func put(_ index: Int, _ offset: Int) {
                image.storeBytes(of: UInt16(truncatingIfNeeded: half(control + index * 4)), toByteOffset: offset, as: UInt16.self)
            }
            put(0, Image.control)
            put(1, Image.status)
            image.storeBytes(of: shortTags(half(control + 8)), toByteOffset: Image.tags, as: UInt8.self)
            put(3, Image.instruction + 4)
            image.storeBytes(of: half(control + 16), toByteOffset: Image.instruction, as: UInt32.self)
            put(5, Image.operand + 4)
            image.storeBytes(of: half(control + 24), toByteOffset: Image.operand, as: UInt32.self)
            put(7, Image.operation)
            store(source, RegisterLayout.X86.vectors, image + Image.vectors, 256)
            // Bits that no processor has make KVM refuse the image.
            let mask = image.load(fromByteOffset: Image.vectorControl + 4, as: UInt32.self)
            image.storeBytes(
                of: half(RegisterLayout.X86.vectorControl) & (mask == 0 ? 0xffbf : mask), toByteOffset: Image.vectorControl, as: UInt32.self)
            var present = image.load(fromByteOffset: Image.present, as: UInt64.self) | x87 | sse
            if bytes.count > RegisterLayout.X86.upperHalves {
                store(source, RegisterLayout.X86.upperHalves, image + Image.upperHalves, 256)
                present |= avx
            }
            image.storeBytes(of: present, toByteOffset: Image.present, as: UInt64.self)
            let bases = RegisterLayout.X86.bases
            let (fs, gs) = (
                source.loadUnaligned(fromByteOffset: bases, as: UInt64.self), source.loadUnaligned(fromByteOffset: bases + 8, as: UInt64.self)
            )
            if cpu.isPossibleBase(fs) { cpu.fsBase = fs }
            if cpu.isPossibleBase(gs) { cpu.gsBase = gs }
        }
    }

    private static func store(_ source: UnsafeRawBufferPointer, _ place: Int, _ target: UnsafeMutableRawPointer, _ count: Int) {
        for index in 0..<count { target.storeBytes(of: source[place + index], toByteOffset: index, as: UInt8.self) }
    }

    private static func shortTags(_ tags: UInt32) -> UInt8 {
        (0..<8).reduce(UInt8(0)) { $0 | (tags >> UInt32($1 * 2) & 3 == 3 ? 0 : 1 << UInt8($1)) }
    }
}
#endif
