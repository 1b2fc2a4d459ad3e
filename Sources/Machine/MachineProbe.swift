import CShim
import Host
import KVM

/// Runs a few instructions in a machine of its own, to learn what kind of KVM this is.
public enum MachineProbe {
    /// The privilege with which the guest's system call entry runs.
    public enum Landing {
        /// Ring 0, as on a real processor.
        case supervisor
        /// Ring 3, on page-table based KVM.
        case user
    }

    public struct Findings {
        /// Where a system call lands, on architectures where that depends on the kind of KVM.
        public let landing: Landing?
        /// From the guest to vmrun and back: the median over so many exits.
        public let exitNanoseconds: UInt64
        public let exits: Int
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

        func isRewritten(_ address: UInt64) -> Bool { false }
        func systemCall(relayedAt address: UInt64) -> UInt64? { nil }
        func growStack(at address: UInt64) -> Bool { false }
    }

    /// Before the measurement, and in it.
    private static let warmingRounds = 200
    private static let rounds = 4000

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
        for _ in 0..<warmingRounds { try expectSystemCall(cpu, &attention) }
        var spent: [UInt64] = []
        spent.reserveCapacity(rounds)
        for _ in 0..<rounds {
            let before = monotonic()
            try expectSystemCall(cpu, &attention)
            spent.append(monotonic() &- before)
        }
        spent.sort()
        return Findings(
            landing: landing, exitNanoseconds: spent[rounds / 2], exits: rounds,
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
