import CShim
import GuestMemory
import Host
import LinuxABI

@testable import GuestImage

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// An ELF file under construction, with every field open to abuse.
struct ELFBuilder {
    struct Header {
        var type: UInt32 = 1
        var flags: UInt32 = 5
        var offset: UInt64 = 0
        var address: UInt64 = 0
        var fileSize: UInt64 = 0
        var memorySize: UInt64 = 0
        var align: UInt64 = 4096
    }

    var ident: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)
    var type: UInt16 = 2
    #if arch(x86_64)
    var machine: UInt16 = 62
    #else
    var machine: UInt16 = 183
    #endif
    var entry: UInt64 = 0
    var headerOffset: UInt64 = 64
    var entrySize: UInt16 = 56
    var count: UInt16? = nil
    var headers: [Header] = []
    /// Content of the file by offset.
    var content: [(offset: Int, bytes: [UInt8])] = []
    var size = 0

    func build() -> [UInt8] {
        var file = ident
        func put<Value: FixedWidthInteger>(_ value: Value) { withUnsafeBytes(of: value.littleEndian) { file += $0 } }
        put(type)
        put(machine)
        put(UInt32(1))
        put(entry)
        put(headerOffset)
        put(UInt64(0x7000_0000))  // e_shoff and the rest of the section fields are of no concern to a loader
        put(UInt32(0))
        put(UInt16(64))
        put(entrySize)
        put(count ?? UInt16(headers.count))
        put(UInt16(64))
        put(UInt16(0xfff0))
        put(UInt16(0xffff))
        for header in headers {
            put(header.type)
            put(header.flags)
            put(header.offset)
            put(header.address)
            put(header.address)
            put(header.fileSize)
            put(header.memorySize)
            put(header.align)
        }
        for part in content {
            while file.count < part.offset + part.bytes.count { file.append(0) }
            file.replaceSubrange(part.offset..<(part.offset + part.bytes.count), with: part.bytes)
        }
        while file.count < size { file.append(0xee) }
        return file
    }

    /// Text at `base`, data two pages on with `bss` bytes behind it; everything else in the file is 0xee.
    static func program(base: UInt64 = 0x1234_5600_0000, bss: UInt64 = 0x2345, dynamic: Bool = false) -> ELFBuilder {
        var builder = ELFBuilder()
        builder.type = dynamic ? 3 : 2
        let start: UInt64 = dynamic ? 0 : base
        builder.entry = start + 0x100
        builder.headers = [
            Header(flags: 5, offset: 0, address: start, fileSize: 0x1000, memorySize: 0x1000),
            Header(flags: 6, offset: 0x1234, address: start + 0x3234, fileSize: 0x300, memorySize: 0x300 + bss),
            Header(type: 0x6474_e551, flags: 6),
        ]
        builder.size = 0x3000
        return builder
    }

    /// Adds PT_INTERP.
    mutating func addInterpreter(_ path: [UInt8]) {
        headers.append(
            Header(type: 3, flags: 4, offset: 0x800, fileSize: UInt64(path.count), memorySize: UInt64(path.count)))
        content.append((0x800, path))
    }
}

func memoryFile(_ content: [UInt8]) -> Int32 {
    let descriptor = Int32(Host.raw(Int32(SYS_memfd_create), "test".withCString { Int(bitPattern: $0) }, 1))
    content.withUnsafeBytes { buffer in
        var done = 0
        while done < buffer.count {
            done += Host.raw(Int32(SYS_write), Int(descriptor), buffer.baseAddress!.argument + done, buffer.count - done)
        }
    }
    return descriptor
}

final class FakeOpener: ProgramOpener {
    var files: [String: [UInt8]] = [:]
    var errors: [String: GuestErrno] = [:]
    /// What is on the host only.
    var hostFiles: [String: [UInt8]] = [:]
    private(set) var opened: [String] = []
    private var paths: [Int32: String] = [:]

    func openExecutable(path: [UInt8]) throws(GuestErrno) -> Int32 {
        let name = text(path)
        opened.append(name)
        if let error = errors[name] { throw error }
        guard let content = files[name] else { throw .ENOENT }
        return open(content, path: name)
    }

    func openOnHost(path: [UInt8]) throws(GuestErrno) -> Int32 {
        guard let content = hostFiles[text(path)] else { throw .ENOENT }
        return open(content, path: "HOST" + text(path))
    }

    func open(_ content: [UInt8], path: String) -> Int32 {
        let descriptor = memoryFile(content)
        paths[descriptor] = path
        return descriptor
    }

    func guestPath(ofExecutable descriptor: Int32) -> [UInt8] { bytes("/real" + (paths[descriptor] ?? "?")) }
}

/// Keeps what is asked for; maps it too where `isReal`.
final class FakeMapper: ImageMapper {
    struct Mapping: Equatable {
        var address: UInt64
        var length: UInt64
        var prot: Int32
        var offset: UInt64?
    }

    var mappings: [Mapping] = []
    let isReal: Bool
    var stackTop: UInt64
    var programBase: UInt64
    var nextFree: UInt64
    var breakStart: UInt64 = 0
    private var ranges: [(UInt64, UInt64)] = []

    /// `window` is 1 TiB of guest addresses that the test has for itself.
    init(window: UInt64, isReal: Bool) {
        self.isReal = isReal
        programBase = window + 0x10_0000_0000
        nextFree = window + 0x80_0000_0000
        stackTop = window + 0xf0_0000_0000
    }

    deinit { for (address, length) in ranges { _ = Host.raw(Int32(SYS_munmap), Int(address), Int(length)) } }

    private func map(
        _ address: UInt64, _ length: UInt64, _ prot: Int32, _ flags: Int32, _ descriptor: Int32, _ offset: UInt64
    ) throws(GuestErrno) {
        let result = Host.raw(
            Int32(SYS_mmap), Int(address), Int(length), Int(prot), Int(MAP_PRIVATE | MAP_FIXED | flags),
            Int(descriptor), Int(offset))
        guard result == Int(address) else { throw GuestErrno(Int32(-result)) }
        ranges.append((address, length))
    }

    func mapFile(
        address: UInt64, length: UInt64, prot: Int32, descriptor: Int32, offset: UInt64
    ) throws(GuestErrno) {
        mappings.append(Mapping(address: address, length: length, prot: prot, offset: offset))
        if isReal { try map(address, length, prot, 0, descriptor, offset) }
    }

    func mapAnonymous(address: UInt64, length: UInt64, prot: Int32) throws(GuestErrno) {
        mappings.append(Mapping(address: address, length: length, prot: prot, offset: nil))
        if isReal { try map(address, length, prot, MAP_ANONYMOUS, -1, 0) }
    }

    func freeRange(length: UInt64, alignment: UInt64, placement: ImagePlacement) throws(GuestErrno) -> UInt64 {
        if placement == .program {
            let (end, overflow) = programBase.addingReportingOverflow(alignment - 1)
            if overflow { throw .ENOMEM }
            return end & ~(alignment - 1)
        }
        guard nextFree > length else { throw .ENOMEM }
        nextFree = (nextFree - length) & ~(alignment - 1)
        return nextFree
    }

    /// The stack is mapped in any case: the initial stack is written to it.
    func mapStack(length: UInt64, prot: Int32) throws(GuestErrno) -> UInt64 {
        try map(stackTop - length, length, prot, MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        mappings.append(Mapping(address: stackTop - length, length: length, prot: prot, offset: nil))
        return stackTop
    }

    func setBreak(start: UInt64) throws(GuestErrno) -> UInt64 {
        breakStart = start
        return start + 0x5000
    }
}

let usualLimits = ArgumentLimits(stackLimit: 8 << 20)

func prepare(
    _ path: String, argv: [String], envp: [String] = [], opener: FakeOpener,
    registry: InterpreterRegistry = InterpreterRegistry(), limits: ArgumentLimits = usualLimits
) throws -> PreparedProgram {
    try PreparedProgram.prepare(
        .path(bytes(path)), argv: argv.map(bytes), envp: envp.map(bytes), opener: opener, registry: registry,
        limits: limits)
}

/// What preparing a program that consists of `content` fails with.
func failure(of content: [UInt8]) -> ImageError? {
    let opener = FakeOpener()
    opener.files["/p"] = content
    return failure("/p", opener: opener)
}

func failure(
    _ path: String, argv: [[UInt8]] = [[0x70]], envp: [[UInt8]] = [], opener: FakeOpener,
    registry: InterpreterRegistry = InterpreterRegistry(), limits: ArgumentLimits = usualLimits
) -> ImageError? {
    do throws(ImageError) {
        _ = try PreparedProgram.prepare(
            .path(bytes(path)), argv: argv, envp: envp, opener: opener, registry: registry, limits: limits)
        return nil
    } catch {
        return error
    }
}

private let identity = StartContext.Identity(uid: 1, euid: 2, gid: 3, egid: 4)

func context(offset: UInt64 = 0) -> StartContext {
    var host = HostAuxiliaryValues()
    host.hwcap = 0x1234
    host.hwcap2 = 2
    host.minimalSignalStack = 3376
    host.rseqFeatureSize = 28
    host.rseqAlign = 32
    return StartContext(
        identity: identity, vdso: 0x7fff_0000, host: host,
        randomness: StartRandomness(bytes: (0x1122_3344_5566_7788, 0x99aa_bbcc_ddee_ff00), stackOffset: offset))
}
