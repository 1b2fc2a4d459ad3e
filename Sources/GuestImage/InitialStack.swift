import CShim
import GuestMemory
import LinuxABI

/// The first thread's stack as create_elf_tables() in fs/binfmt_elf.c and copy_strings() in fs/exec.c lay it out. From the top:
/// a null word, execfn, the environment strings, the argument strings, a random gap, the platform string, the random bytes,
/// and, 16-byte aligned at their lower end, the auxiliary vector, envp, argv, argc.
struct InitialStack {
    let stackPointer: UInt64
    let argStart: UInt64
    let argEnd: UInt64
    let envStart: UInt64
    let envEnd: UInt64
    let auxiliaryVector: [UInt64]

    /// Where the image was loaded, for the auxiliary vector.
    struct Placement {
        let programHeaders: UInt64
        let programHeaderCount: UInt64
        let interpreterBase: UInt64
        let entry: UInt64
        /// AT_FLAGS.
        let flags: UInt64
    }

    private static let wordSize: UInt64 = 8

    /// An upper bound of the bytes that the stack of `program` takes, page aligned.
    static func size(of program: PreparedProgram) -> UInt64 {
        var size = UInt64(program.execfn.count) + 1 + StartRandomness.stackOffsets
        for string in program.argv { size += UInt64(string.count) + 1 + wordSize }
        for string in program.envp { size += UInt64(string.count) + 1 + wordSize }
        // The auxiliary vector, the null words, argc, the platform string, the random bytes, and what alignment loses.
        return Arena.pageUp(size + 1024)
    }

    /// Writes the stack of `program` below `top`, in one copy.
    init(
        program: PreparedProgram, placement: Placement, context: StartContext, top: UInt64
    ) throws(GuestErrno) {
        let capacity = Self.size(of: program)
        guard top > capacity else { throw .ENOMEM }
        var image = StackImage(top: top, capacity: Int(capacity))
        defer { image.deallocate() }

        _ = image.push(word: 0)
        let execfn = image.push(string: program.execfn)
        envEnd = execfn
        // Each string goes below the one before, so that the first is the lowest.
        var envp: [UInt64] = []
        envp.reserveCapacity(program.envp.count)
        for string in program.envp.reversed() { envp.append(image.push(string: string)) }
        envStart = image.position
        argEnd = image.position
        var argv: [UInt64] = []
        argv.reserveCapacity(program.argv.count)
        for string in program.argv.reversed() { argv.append(image.push(string: string)) }
        argStart = image.position

        image.skip(context.randomness.stackOffset)
        image.align()
        let platform = image.push(string: GuestArchitecture.platform)
        _ = image.push(word: context.randomness.bytes.1)
        let random = image.push(word: context.randomness.bytes.0)

        let vector = Self.auxiliaryVector(
            placement, context, platform: platform, random: random, execfn: execfn)
        // The words are pushed from the last to the first, so what alignment takes goes first.
        let words = UInt64(vector.count + envp.count + 1 + argv.count + 1 + 1)
        image.skip((image.position &- words * Self.wordSize) % 16)
        for word in vector.reversed() { _ = image.push(word: word) }
        _ = image.push(word: 0)
        for pointer in envp { _ = image.push(word: pointer) }
        _ = image.push(word: 0)
        for pointer in argv { _ = image.push(word: pointer) }
        stackPointer = image.push(word: UInt64(argv.count))
        auxiliaryVector = vector
        try image.copyOut()
    }

    /// In the kernel's order.
    private static func auxiliaryVector(
        _ placement: Placement, _ context: StartContext, platform: UInt64, random: UInt64, execfn: UInt64
    ) -> [UInt64] {
        var vector: [UInt64] = []
        vector.reserveCapacity(64)
        func add(_ key: UInt64, _ value: UInt64) {
            vector.append(key)
            vector.append(value)
        }
        func addIfGiven(_ key: UInt64, _ value: UInt64) {
            if value != 0 { add(key, value) }
        }
        let host = context.host
        let identity = context.identity
        addIfGiven(AuxiliaryKey.sysinfoEhdr, context.vdso ?? 0)
        addIfGiven(AuxiliaryKey.minsigstksz, host.minimalSignalStack)
        add(AuxiliaryKey.hwcap, host.hwcap)
        add(AuxiliaryKey.pagesz, Arena.pageSize)
        add(AuxiliaryKey.clktck, host.clockTicks)
        add(AuxiliaryKey.phdr, placement.programHeaders)
        add(AuxiliaryKey.phent, UInt64(MemoryLayout<Elf64_Phdr>.size))
        add(AuxiliaryKey.phnum, placement.programHeaderCount)
        add(AuxiliaryKey.base, placement.interpreterBase)
        add(AuxiliaryKey.flags, placement.flags)
        add(AuxiliaryKey.entry, placement.entry)
        add(AuxiliaryKey.uid, UInt64(identity.uid))
        add(AuxiliaryKey.euid, UInt64(identity.euid))
        add(AuxiliaryKey.gid, UInt64(identity.gid))
        add(AuxiliaryKey.egid, UInt64(identity.egid))
        add(AuxiliaryKey.secure, identity.isSecure ? 1 : 0)
        add(AuxiliaryKey.random, random)
        add(AuxiliaryKey.hwcap2, host.hwcap2)
        addIfGiven(AuxiliaryKey.hwcap3, host.hwcap3)
        addIfGiven(AuxiliaryKey.hwcap4, host.hwcap4)
        add(AuxiliaryKey.execfn, execfn)
        add(AuxiliaryKey.platform, platform)
        addIfGiven(AuxiliaryKey.rseqFeatureSize, host.rseqFeatureSize)
        addIfGiven(AuxiliaryKey.rseqAlign, host.rseqAlign)
        add(AuxiliaryKey.null, 0)
        return vector
    }
}

/// A stack under construction in a host buffer. Pushing past the capacity leaves the content out and fails at copyOut.
private struct StackImage {
    private let top: UInt64
    private let buffer: UnsafeMutableRawBufferPointer
    /// Bytes used, from the buffer's end downwards.
    private var used = 0

    init(top: UInt64, capacity: Int) {
        self.top = top
        buffer = .allocate(byteCount: capacity, alignment: 16)
        // What nobody writes (gaps, padding) is zero, as in a fresh page.
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
    }

    func deallocate() { buffer.deallocate() }

    /// Guest address of the lowest byte pushed.
    var position: UInt64 { top &- UInt64(used) }

    mutating func skip(_ count: UInt64) { used += Int(count) }

    /// Down to a multiple of 16.
    mutating func align() { skip(position % 16) }

    mutating func push(word: UInt64) -> UInt64 {
        withUnsafeBytes(of: word) { push($0) }
        return position
    }

    mutating func push(string: [UInt8]) -> UInt64 {
        skip(1)
        string.withUnsafeBytes { push($0) }
        return position
    }

    mutating func push(string: StaticString) -> UInt64 {
        skip(1)
        string.withUTF8Buffer { push(UnsafeRawBufferPointer($0)) }
        return position
    }

    private mutating func push(_ bytes: UnsafeRawBufferPointer) {
        used += bytes.count
        guard used <= buffer.count else { return }
        UnsafeMutableRawBufferPointer(rebasing: buffer[(buffer.count - used)...]).copyMemory(from: bytes)
    }

    func copyOut() throws(GuestErrno) {
        guard used <= buffer.count, let base = buffer.baseAddress else { throw .ENOMEM }
        try GuestAccess.copyOut(base + (buffer.count - used), to: GuestAddress(position), count: used)
    }
}
