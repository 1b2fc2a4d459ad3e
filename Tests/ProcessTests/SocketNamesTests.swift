import CShim
import Glibc
import Testing

@testable import Process

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Names of sockets, in the suite whose tests run one after the other: one of them counts descriptors.
extension SessionTests {
    @Test func aNameIsTold() throws {
        let session = try Session()
        defer { close(session.descriptor) }
        #expect(session.socketName(host: bytes("/proc/thread-self/fd/4100/a")) == nil)
        #expect(session.claimSocketName(host: bytes("/proc/thread-self/fd/4100/a"), guest: bytes("/tmp/a")))
        #expect(session.socketName(host: bytes("/proc/thread-self/fd/4100/a")) == bytes("/tmp/a"))
        #expect(session.socketName(host: bytes("/proc/thread-self/fd/4100//a")) == nil)
    }

    @Test func aHostNameStandsForOneName() throws {
        let session = try Session()
        defer { close(session.descriptor) }
        #expect(session.claimSocketName(host: bytes("h"), guest: bytes("one")))
        #expect(session.claimSocketName(host: bytes("h"), guest: bytes("one")))
        #expect(!session.claimSocketName(host: bytes("h"), guest: bytes("two")))
        #expect(session.socketName(host: bytes("h")) == bytes("one"))
    }

    @Test func namesOfEveryLength() throws {
        let session = try Session()
        defer { close(session.descriptor) }
        for length in 1...108 {
            let name = [UInt8](repeating: 0x6e, count: length)
            #expect(session.claimSocketName(host: [0x68] + name.dropLast(), guest: name))
        }
        #expect(session.socketName(host: [0x68] + [UInt8](repeating: 0x6e, count: 107))?.count == 108)
        #expect(!session.claimSocketName(host: [UInt8](repeating: 1, count: 200), guest: []))
    }

    @Test func theOldestAreForgotten() throws {
        let session = try Session()
        defer { close(session.descriptor) }
        for number in 0..<3000 { #expect(session.claimSocketName(host: bytes("h\(number)"), guest: bytes("g\(number)"))) }
        #expect(session.socketName(host: bytes("h2999")) == bytes("g2999"))
        #expect(session.socketName(host: bytes("h2000")) == bytes("g2000"))
        #expect(session.socketName(host: bytes("h100")) == nil)
        #expect(session.claimSocketName(host: bytes("h100"), guest: bytes("another")))
    }

    @Test func anotherProcessIsTold() throws {
        let session = try Session()
        defer { close(session.descriptor) }
        let pid = Int32(vmrun_fork())
        if pid == 0 { _exit(session.claimSocketName(host: bytes("h"), guest: bytes("g")) ? 0 : 1) }
        var status: Int32 = -1
        while waitpid(pid, &status, 0) == -1 && errno == EINTR {}
        #expect(status == 0)
        #expect(session.socketName(host: bytes("h")) == bytes("g"))
    }
}
