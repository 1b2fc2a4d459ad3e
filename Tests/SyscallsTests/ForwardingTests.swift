import CShim
import GuestMemory
import Host
import LinuxABI
import Testing

@testable import Syscalls

/// The base of vmrun's descriptors and a page in the arena with an unmapped one behind it. The suites that use it share
/// process-wide state, so they run one after another.
@Suite(.serialized) struct CheckingTests {
    static let base: Int32 = 1 << 20
    static let page: UInt64 = 0x10_0000_0000

    init() {
        InternalDescriptors.configure(inherited: (base: Self.base, limit: 100, hardLimit: 1000))
        vmrun_install_handlers()
        let flags = Int(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
        let mapped = Host.raw(Int32(SYS_mmap), Int(Self.page), 4096, Int(PROT_READ | PROT_WRITE), flags, -1, 0)
        #expect(mapped == Int(Self.page))
    }

    static func prepared(_ number: UInt32, _ arguments: SyscallArguments) -> SyscallArguments {
        var result = arguments
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
        defer { scratch.deallocate() }
        guard let row = SyscallTable.row(number) else {
            Issue.record("no row \(number)")
            return result
        }
        Forwarding.prepare(row, &result, scratch: scratch) { $0 == 4242 }
        return result
    }

    /// In the kernel's half, or below all that can be mapped.
    static func isRefused(_ address: UInt64) -> Bool { address >= 0xffff_8000_0000_0000 || (0x8000..<0x9000).contains(address) }

    @Test func rangesEndInsideTheArena() {
        let top = Arena.top
        #expect(Forwarding.checked(top - 16, 16) == top - 16)
        #expect(Forwarding.checked(top, 0) == top)
        #expect(Self.isRefused(Forwarding.checked(top - 16, 17)))
        #expect(Self.isRefused(Forwarding.checked(top + 1, 0)))
        #expect(Self.isRefused(Forwarding.checked(Self.page, .max)))
        #expect(Self.isRefused(Forwarding.checked(.max, 1)))
        #expect(Self.isRefused(Forwarding.checked(0x7fff_0000_0000, 8)))
        #expect(Self.isRefused(Forwarding.checked(0x8000_0000_0000_0000, 8)))
    }

    /// The kernel decides on NULL: nothing is mapped down there.
    @Test func nullPasses() {
        #expect(Forwarding.checked(0, 4096) == 0)
        #expect(Self.prepared(UInt32(SYS_clock_gettime), SyscallArguments(0, 0, 0, 0, 0, 0)).a1 == 0)
    }

    @Test func refusedAddressesKeepTheirAlignment() {
        #expect(Forwarding.refused(0x7000_0000_0003) & 0xfff == 3)
    }

    @Test func theHalfOfAnAddressStays() {
        #expect(Forwarding.checked(0x7000_0000_0123, 8) == 0x8123)
        #expect(Forwarding.checked(Arena.userEnd - 1, 8) == 0x8fff)
        #expect(Forwarding.checked(Arena.userEnd, 8) >= 0xffff_8000_0000_0000)
        // A range may not begin below the guest's memory and lead into it.
        #expect(Forwarding.checkedRange(0x7000_0000_0000, 1 << 32) >= 0xffff_8000_0000_0000)
    }

    /// What stands in for a bad address is EFAULT to the host kernel, whatever the call does with it.
    @Test(arguments: [Forwarding.refused(0x7000_0000_0000), Forwarding.unmapped(0x7000_0000_0000)])
    func theKernelRefusesRefusedAddresses(_ refused: UInt64) {
        let address = Int(bitPattern: UInt(refused))
        let pipe = UnsafeMutablePointer<Int32>.allocate(capacity: 2)
        defer { pipe.deallocate() }
        #expect(Host.raw(Int32(SYS_pipe2), pipe.argument, 0) == 0)
        #expect(Host.raw(Int32(SYS_write), Int(pipe[1]), address, 1) == -Int(EFAULT))
        #expect(Host.raw(Int32(SYS_write), -1, address, 1) == -Int(EBADF))
        #expect(Host.raw(Int32(SYS_clock_gettime), 0, address) == -Int(EFAULT))
        #expect(Host.raw(Int32(SYS_futex), address, Int(FUTEX_WAKE), 1) == -Int(EFAULT))
        #expect(Host.raw(Int32(SYS_futex), address + 1, Int(FUTEX_WAKE), 1) == -Int(EINVAL))
        for end in 0...1 { close(pipe[end]) }
    }

    @Test func countsAreTheLowHalf() {
        // epoll_wait's count is an int: what is above it does not matter.
        let arguments = SyscallArguments(3, Self.page, 0xdead_beef_0000_0010, 0, 0, 0)
        #expect(Self.prepared(UInt32(SYS_epoll_wait), arguments).a1 == Self.page)
        // read's is a size_t.
        #expect(Self.isRefused(Forwarding.checked(Self.page, 0xdead_beef_0000_0010)))
    }

    @Test func structuresAreCheckedToTheirLastByte() {
        let edge = Arena.top - 390
        #expect(Self.prepared(UInt32(SYS_uname), SyscallArguments(edge, 0, 0, 0, 0, 0)).a0 == edge)
        #expect(Self.isRefused(Self.prepared(UInt32(SYS_uname), SyscallArguments(edge + 1, 0, 0, 0, 0, 0)).a0))
    }

    @Test func messagesCountTheirType() {
        let edge = Arena.top - 108
        #expect(Self.prepared(UInt32(SYS_msgsnd), SyscallArguments(1, edge, 100, 0, 0, 0)).a1 == edge)
        #expect(Self.isRefused(Self.prepared(UInt32(SYS_msgsnd), SyscallArguments(1, edge, 101, 0, 0, 0)).a1))
        #expect(Self.isRefused(Self.prepared(UInt32(SYS_msgsnd), SyscallArguments(1, edge, .max, 0, 0, 0)).a1))
    }

    @Test func internalDescriptorsAreHidden() {
        let own = UInt64(UInt32(bitPattern: Self.base))
        #expect(Self.prepared(UInt32(SYS_fsync), SyscallArguments(own, 0, 0, 0, 0, 0)).a0 == .max)
        #expect(Self.prepared(UInt32(SYS_fsync), SyscallArguments(own - 1, 0, 0, 0, 0, 0)).a0 == own - 1)
        #expect(Self.prepared(UInt32(SYS_fsync), SyscallArguments(0xffff_ffff_0000_0000 | own, 0, 0, 0, 0, 0)).a0 == .max)
        #expect(Self.prepared(UInt32(SYS_tee), SyscallArguments(3, own + 7, 1, 0, 0, 0)).a1 == .max)
    }

    @Test func newDescriptorsStayBelowTheLimit() {
        #expect(Self.prepared(UInt32(SYS_dup2), SyscallArguments(1, 99, 0, 0, 0, 0)).a1 == 99)
        #expect(Self.prepared(UInt32(SYS_dup2), SyscallArguments(1, 100, 0, 0, 0, 0)).a1 == .max)
        #expect(Forwarding.newDescriptor(99) == 99)
        #expect(Forwarding.newDescriptor(-9) == -9)
        let high = Host.raw(Int32(SYS_fcntl), 1, Int(F_DUPFD), 120)
        #expect(high >= 120)
        #expect(Forwarding.newDescriptor(high) == -Int(EMFILE))
        #expect(Host.raw(Int32(SYS_fcntl), high, Int(F_GETFD)) == -Int(EBADF))
    }

    @Test func selectSeesTheGuestsDescriptorsOnly() {
        #expect(Forwarding.fdCount(1024) == 1024)
        #expect(Forwarding.fdCount(UInt64(Int32.max)) == UInt64(Self.base))
        #expect(Int64(bitPattern: Forwarding.fdCount(UInt64(UInt32.max))) == -1)
        #expect(Forwarding.fdSetSize(0) == 0)
        #expect(Forwarding.fdSetSize(1) == 8)
        #expect(Forwarding.fdSetSize(65) == 16)
        #expect(Forwarding.fdSetSize(UInt64(bitPattern: -1)) == 0)
    }

    @Test func processesOutsideTheSessionDoNotExist() {
        func pid(_ pid: UInt64) -> UInt64 { Self.prepared(UInt32(SYS_getsid), SyscallArguments(pid, 0, 0, 0, 0, 0)).a0 }
        #expect(pid(4242) == 4242)
        #expect(pid(0) == 0)
        #expect(pid(1) == Forwarding.impossiblePID)
        #expect(Host.raw(Int32(SYS_getsid), Int(Forwarding.impossiblePID)) == -Int(ESRCH))
    }

    // MARK: iovec

    static func withVector(_ elements: [(UInt64, UInt64)], _ body: (UInt64, UnsafeMutableRawBufferPointer) -> Void) {
        let words = elements.flatMap { [$0.0, $0.1] }
        words.withUnsafeBytes { bytes in
            if let source = bytes.baseAddress {
                #expect(vmrun_copy(UnsafeMutableRawPointer(bitPattern: UInt(page)), source, bytes.count) == 0)
            }
        }
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
        defer { scratch.deallocate() }
        body(Forwarding.iovec(page, count: UInt64(elements.count), scratch: scratch), scratch)
    }

    @Test func iovecIsCopiedAndEachElementChecked() throws {
        let outside: UInt64 = 0x7fff_0000_0000
        Self.withVector([(Self.page, 8), (outside, 8), (Arena.top - 4, 8), (0, 0)]) { address, scratch in
            #expect(address == UInt64(UInt(bitPattern: scratch.baseAddress)))
            let copy = scratch.bindMemory(to: UInt64.self)
            #expect(copy[0] == Self.page)
            #expect(copy[1] == 8)
            #expect(Self.isRefused(copy[2]))
            #expect(copy[3] == 8)
            #expect(Self.isRefused(copy[4]))
            #expect(copy[6] == 0)
        }
    }

    @Test func iovecThatCannotBeReadIsRefused() {
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
        defer { scratch.deallocate() }
        #expect(Self.isRefused(Forwarding.iovec(Self.page + 4088, count: 1, scratch: scratch)))
        #expect(Self.isRefused(Forwarding.iovec(0x7fff_0000_0000, count: 1, scratch: scratch)))
        #expect(Self.isRefused(Forwarding.iovec(Self.page, count: 1025, scratch: scratch)))
        // The kernel's own order: too many elements are EINVAL, a bad array is EFAULT, a bad descriptor comes first.
        let bad = Int(bitPattern: UInt(Forwarding.refused(0)))
        #expect(Host.raw(Int32(SYS_writev), 1, bad, 1025) == -Int(EINVAL))
        #expect(Host.raw(Int32(SYS_writev), 1, bad, 1) == -Int(EFAULT))
        #expect(Host.raw(Int32(SYS_writev), -1, bad, 1) == -Int(EBADF))
    }

    // MARK: ancillary data

    static func control(_ messages: [(level: Int32, type: Int32, data: [Int32])]) -> [UInt8] {
        var bytes: [UInt8] = []
        for message in messages {
            withUnsafeBytes(of: UInt64(16 + message.data.count * 4)) { bytes += $0 }
            withUnsafeBytes(of: message.level) { bytes += $0 }
            withUnsafeBytes(of: message.type) { bytes += $0 }
            for word in message.data { withUnsafeBytes(of: word) { bytes += $0 } }
            while bytes.count % 8 != 0 { bytes.append(0) }
        }
        return bytes
    }

    @Test func ownDescriptorsAreNotSent() {
        var bytes = Self.control([(1, 2, [7, 8, 9]), (SOL_SOCKET, 1, [3, Self.base + 1, 5])])
        bytes.withUnsafeMutableBytes { buffer in
            guard let start = buffer.baseAddress else { return }
            ControlMessages.hideInternal(start, length: buffer.count)
        }
        #expect(bytes == Self.control([(1, 2, [7, 8, 9]), (SOL_SOCKET, 1, [3, -1, 5])]))
    }

    @Test func receivedDescriptorsStayBelowTheLimit() {
        let low = Int32(Host.raw(Int32(SYS_fcntl), 1, Int(F_DUPFD), 3))
        let high = Int32(Host.raw(Int32(SYS_fcntl), 1, Int(F_DUPFD), 130))
        var bytes = Self.control([(SOL_SOCKET, 1, [low, high])])
        let kept = bytes.withUnsafeMutableBytes { buffer in
            buffer.baseAddress.map { ControlMessages.admit($0, length: buffer.count) }
        }
        #expect(kept == 20)
        #expect(bytes[0] == 20)
        #expect(Host.raw(Int32(SYS_fcntl), Int(low), Int(F_GETFD)) >= 0)
        #expect(Host.raw(Int32(SYS_fcntl), Int(high), Int(F_GETFD)) == -Int(EBADF))
        close(low)
    }

    /// Lengths that lead nowhere end the walk.
    @Test func brokenControlMessagesEndTheWalk() {
        for length: UInt64 in [0, 15, 17 + 64, .max] {
            var bytes = Self.control([(SOL_SOCKET, 1, [1])])
            withUnsafeBytes(of: length) { for index in 0..<8 { bytes[index] = $0[index] } }
            bytes.withUnsafeMutableBytes { buffer in
                guard let start = buffer.baseAddress else { return }
                var walk = ControlMessages(start, length: buffer.count)
                #expect(walk.advance() == nil)
            }
        }
    }
}
