import CLibElf
import CShim
import Host
import LinuxABI

/// An open program file. Owns its descriptor.
public final class ProgramFile {
    public let descriptor: Int32
    /// Size in bytes when it was opened; the file may change at any time.
    let size: UInt64
    /// The first page of the file, read once: every decision about the headers is made on this copy.
    let head: [UInt8]

    /// Large enough that the program headers and the interpreter's name of nearly every program come with one read.
    private static let headCapacity = 4096

    /// Takes `descriptor`, also where it throws. EIO and its like are the host's answers to the read.
    init(descriptor: Int32) throws(GuestErrno) {
        self.descriptor = descriptor
        var status = stat()
        let result = withUnsafeMutablePointer(to: &status) { Host.raw(Int32(SYS_fstat), Int(descriptor), $0.argument) }
        size = result == 0 ? UInt64(max(0, status.st_size)) : 0
        do throws(GuestErrno) {
            if result != 0 { throw GuestErrno(Int32(truncatingIfNeeded: -result)) }
            head = try Self.read(descriptor, at: 0, count: Self.headCapacity)
        } catch {
            // A class whose initialiser throws before every member is set runs no deinit.
            _ = Host.raw(Int32(SYS_close), Int(descriptor))
            throw error
        }
    }

    deinit { _ = Host.raw(Int32(SYS_close), Int(descriptor)) }

    /// Up to `count` bytes at `offset`; fewer where the file ends. EINVAL where no file can have that offset.
    func read(at offset: UInt64, count: Int) throws(GuestErrno) -> [UInt8] {
        let (end, overflow) = offset.addingReportingOverflow(UInt64(count))
        if !overflow && end <= UInt64(head.count) { return Array(head[Int(offset)..<Int(end)]) }
        guard !overflow, end <= UInt64(Int64.max) else { throw .EINVAL }
        return try Self.read(descriptor, at: offset, count: count)
    }

    private static func read(_ descriptor: Int32, at offset: UInt64, count: Int) throws(GuestErrno) -> [UInt8] {
        var failure: GuestErrno? = nil
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            guard let base = buffer.baseAddress else { return }
            while filled < count {
                // SAFETY: base + filled ... base + count lies in the array's storage.
                let result = Host.raw(
                    Int32(SYS_pread64), Int(descriptor), (base + filled).argument, count - filled, Int(offset) + filled)
                if result == -Int(EINTR) { continue }
                if result < 0 { failure = GuestErrno(Int32(truncatingIfNeeded: -result)) }
                if result <= 0 { return }
                filled += result
            }
        }
        if let failure { throw failure }
        return bytes
    }
}

/// What execve(2) makes of a file by its first bytes.
enum ProgramFormat: Equatable {
    case script
    /// An ELF file for this machine.
    case native
    /// An ELF file for another machine, or another word size of this one's family.
    case foreign(ELFMachine)
    case unknown
}

extension ProgramFile {
    /// Linux tells formats apart by the first two or four bytes and e_machine alone.
    var format: ProgramFormat {
        if head.count >= 2 && head[0] == UInt8(ascii: "#") && head[1] == UInt8(ascii: "!") { return .script }
        guard let machine = ELFMachine(head: head) else { return .unknown }
        return machine.isNative ? .native : .foreign(machine)
    }
}
