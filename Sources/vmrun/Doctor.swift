import CShim
import Confinement
import Host
import KVM
import Machine

/// `vmrun doctor`: whether this host can run guests, what kind of KVM it has, what a system call costs there, and what is
/// missing. One line each, `name: value`; for each missing thing an `advice` line says what to do about it. Status 0 where guests can
/// run, 125 where not: then the reason is on standard error.
enum Doctor {
    static func run() {
        InternalDescriptors.configure()
        let device = KVMDevice()
        let system: KVMSystem
        do throws(KVMUnavailable) { system = try KVMSystem() } catch {
            describeHost()
            line("/dev/kvm", "not usable, \(device.description)")
            for sentence in device.remedies(for: error) { advise(sentence) }
            Message.fail(error.sentence)
        }
        // It may start vmrun again: nothing has been said yet.
        HostLayout.ensure()
        describeHost()
        line("/dev/kvm", "usable, \(device.description)")
        do throws(MachineFailure) { describe(system, try MachineProbe.run(system)) } catch {
            Message.fail(error.sentence)
        }
        describeMemory(system)
        describeConfinement()
        for missing in OptionalCapabilities.missing(system) {
            line("missing", "\(missing.name.description): \(missing.consequence.description)")
            advise(missing.remedy.description)
        }
        if !HostFacts.canPopulate { Message.fail("Linux \(HostFacts.kernelRelease) is too old; vmrun needs 5.14 or newer") }
        line("result", "this host can run guests")
    }

    private static func line(_ name: String, _ value: String) { Message.print("\(name): \(value)\n") }

    private static func advise(_ sentence: String) { line("advice", sentence) }

    private static func describeHost() {
        line("kernel", HostFacts.kernelRelease)
        line("this host", HostProcessor.place)
        if !HostFacts.exists("/proc/self/exe") {
            Message.fail("/proc is not mounted; vmrun needs it: mount -t proc proc /proc")
        }
    }

    private static func describe(_ system: KVMSystem, _ found: MachineProbe.Findings) {
        let kind = HostProcessor.kind(found.landing)
        line("kind of KVM", kind.name)
        if let landing = found.landing { line("system calls land in", landing == .supervisor ? "ring 0" : "ring 3") }
        let tenths = (found.exitNanoseconds + 50) / 100
        let calls = max(1, 1_000_000_000 / max(found.exitNanoseconds, 1))
        line(
            "cost of an exit",
            "\(tenths / 10).\(tenths % 10) µs, median of \(found.exits); a program that makes \(rounded(calls)) system calls a second"
                + " takes twice its time")
        line("address bits", HostProcessor.addressBits(guestPhysical: found.physicalAddressBits))
        if let remedy = kind.remedy { advise(remedy) }
        if found.exitNanoseconds > 10_000 {
            advise(
                HostProcessor.isVirtual
                    ? "exits are slow in this virtual machine; what makes many system calls runs faster on real hardware"
                    : "exits are slow here; mitigations of processor bugs, or a debugging kernel, may be why")
        }
    }

    /// What every guest starts with, unless it is `--no-confine`.
    private static func describeConfinement() {
        line("system call filter", Confinement.canFilter ? "in every session" : "not in this kernel")
        if !Confinement.canFilter { advise("a kernel with CONFIG_SECCOMP_FILTER confines vmrun; until then --no-confine is needed") }
        let version = Landlock.version
        let kept = version >= Landlock.firstWithScopes ? "files, execution and signals" : "files and execution"
        line("Landlock", version >= Landlock.firstUsable ? "version \(version): \(kept)" : version == 0 ? "not in this kernel" : "version \(version)")
        if version < Landlock.firstUsable {
            advise(
                "below a sysroot vmrun's own path resolver is the only boundary;"
                    + " a kernel from 5.19 with CONFIG_SECURITY_LANDLOCK, and landlock in its lsm= list, adds a second one")
        }
    }

    /// Two digits are what the measurement is good for.
    private static func rounded(_ value: UInt64) -> UInt64 {
        var unit: UInt64 = 1
        while value / unit >= 100 { unit *= 10 }
        return value / unit * unit
    }

    private static func describeMemory(_ system: KVMSystem) {
        line("vCPUs in one VM", "\(system.capability(KVM_CAP_MAX_VCPUS))")
        line("memslots", "\(system.capability(KVM_CAP_NR_MEMSLOTS))")
        line("clock", HostFacts.clock(system))
        guard let setting = HostFacts.hugePages else {
            line("transparent huge pages", "not in this kernel")
            return advise("large memories fault more often than they must; a kernel with CONFIG_TRANSPARENT_HUGEPAGE avoids it")
        }
        line("transparent huge pages", setting)
        if setting == "never" {
            advise(
                "large memories fault more often than they must:"
                    + " echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled")
        }
    }
}
