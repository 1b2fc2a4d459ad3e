import CShim
import Host
import LinuxABI
@testable import SyntheticFS

/// A session of the test process alone; it stands for a guest whose memory is wherever the process's own is.
final class TestSession: SessionDirectory, PathTranslator {
    var processRecord = ProcessRecord()
    var members_: [Int32] = [getpid()]
    var directory: [UInt8]?
    var hasNetwork = true
    var name: UInt64 = 0x0123_4567_89ab_cdef
    var executable = [UInt8]("/bin/program")

    func isMember(_ process: Int32) -> Bool { members_.contains(process) }
    func members() -> [Int32] { members_ }
    func visibleParent(_ parent: Int32, of process: Int32) -> Int32 { parent }
    func record(of process: Int32) -> ProcessRecord? { processRecord }
    func executablePath(of process: Int32) -> [UInt8]? { executable }
    func isGuestThread(_ thread: Int32, of process: Int32) -> Bool { true }
    func process(ofGuestThread thread: Int32) -> Int32? { nil }
    func blockedSignals(ofThread thread: Int32, of process: Int32) -> UInt64? { nil }
    func syntheticWorkingDirectory(of process: Int32) -> [UInt8]? { nil }

    func guestPath(fromHost path: [UInt8]) -> [UInt8]? {
        path.hasPrefix("/root-of-guest/") ? Array(path.dropFirst(14)) : nil
    }

    func guestWorkingDirectory() throws(GuestErrno) -> [UInt8] {
        guard let directory else { throw .ENOENT }
        return directory
    }

    func makeFileSystem(
        sharedMemory: SharedMemoryDirectory = SharedMemoryDirectory(), showsMachine: Bool = false
    ) -> SyntheticFileSystem {
        let system = SyntheticFileSystem(
            configuration: SyntheticConfiguration(
                root: [UInt8]("/"), binds: [], arena: 0x1_0000..<0x8000_0000_0000, showsMachine: showsMachine),
            session: self, sharedMemory: sharedMemory)
        system.translator = self
        return system
    }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// Reads a descriptor to its end from where it stands.
func readAll(_ descriptor: Int32, step: Int = 4096) -> [UInt8] {
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: step)
    while true {
        let count = read(descriptor, &buffer, step)
        if count <= 0 { return content }
        content.append(contentsOf: buffer[..<count])
    }
}

func contents(_ system: SyntheticFileSystem, _ path: String) throws -> String {
    let descriptor = try system.open(bytes(path), flags: O_RDONLY)
    defer { close(descriptor) }
    try system.prepareRead(descriptor, atStart: true)
    return text(readAll(descriptor))
}

func hostContents(_ path: String) throws -> String { text(try HostFile.read(bytes(path))) }

func names(_ system: SyntheticFileSystem, _ path: String, bufferSize: Int = 4096) throws -> [String] {
    let descriptor = try system.open(bytes(path), flags: O_RDONLY)
    defer { close(descriptor) }
    return try names(system, descriptor, bufferSize: bufferSize)
}

func names(_ system: SyntheticFileSystem, _ descriptor: Int32, bufferSize: Int = 4096) throws -> [String] {
    var result: [String] = []
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 8)
    defer { buffer.deallocate() }
    while true {
        let count = try system.getdents64(descriptor, into: buffer)
        if count == 0 { return result }
        DirectoryRecords.forEach(in: UnsafeRawBufferPointer(rebasing: buffer[..<count])) { result.append(text($0)) }
    }
}
