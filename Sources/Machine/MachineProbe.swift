import CShim
import Host
import KVM

/// Runs a few instructions in a machine of its own, to learn what kind of KVM this is.
public enum MachineProbe {
    public struct Findings {
        /// Where a system call lands, on architectures where that depends on the kind of KVM.
        public let landing: StaticString?
        public let exitNanoseconds: UInt64
        public let physicalAddressBits: Int
    }

    /// One page of code in the arena, for as long as the probe lives.
    private final class CodePage: GuestMappings {
        static let address: UInt64 = 0x1000_0000

        func hold() {}
        func release() {}

        func heldMapping(containing address: UInt64) -> GuestMapping? {
            guard address & ~4095 == Self.address else { return nil }
            return GuestMapping(start: Self.address, end: Self.address + 4096, protection: PROT_READ | PROT_EXEC)
        }

        func growStack(at address: UInt64) -> Bool { false }
    }

    private static let rounds: UInt64 = 2000

    public static func run(_ system: KVMSystem) throws(MachineFailure) -> Findings {
        let mapped = Host.raw(
            Int32(SYS_mmap), Int(CodePage.address), 4096, Int(PROT_READ | PROT_WRITE),
            Int(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE), -1, 0)
        guard mapped == Int(CodePage.address), let code = UnsafeMutableRawPointer(bitPattern: mapped) else {
            throw .outOfMemory("a page of code")
        }
        defer { _ = Host.raw(Int32(SYS_munmap), mapped, 4096) }
        GuestCPU.writeSystemCallLoop(code)

        let pages = CodePage()
        let machine = try GuestMachine(system, mappings: pages, vdso: HostVDSO(system))
        let cpu = try GuestCPU(machine)
        cpu.startProbe(at: CodePage.address)
        var attention: UInt32 = 0
        try expectSystemCall(cpu, &attention)
        let landing = cpu.landing
        let before = monotonic()
        for _ in 0..<rounds { try expectSystemCall(cpu, &attention) }
        let spent = monotonic() - before
        return Findings(
            landing: landing, exitNanoseconds: spent / rounds,
            physicalAddressBits: machine.features.physicalLimit.trailingZeroBitCount)
    }

    private static func expectSystemCall(_ cpu: GuestCPU, _ attention: inout UInt32) throws(MachineFailure) {
        switch cpu.enter(&attention) {
        case .systemCall: cpu.setResult(0)
        case .failure(let failure): throw failure
        case .fault(let fault): throw .stopped("fault in the probe, trap", fault.trap, instruction: fault.address)
        case .attention: throw .stopped("interrupted", 0, instruction: 0)
        }
    }

    private static func monotonic() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
