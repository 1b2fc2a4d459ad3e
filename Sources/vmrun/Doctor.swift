import CShim
import Host
import KVM
import Machine

/// `vmrun doctor`: whether this host can run guests, and what kind of KVM it has. Status 0 where it can, 125 where not.
enum Doctor {
    static func run() {
        InternalDescriptors.configure()
        line("kernel", kernelRelease())
        let system: KVMSystem
        do throws(KVMUnavailable) { system = try KVMSystem() } catch {
            line("/dev/kvm", "not usable")
            Message.fail(error.sentence)
        }
        line("/dev/kvm", "usable")
        line("vCPUs in one VM", "\(system.capability(KVM_CAP_MAX_VCPUS))")
        line("memslots", "\(system.capability(KVM_CAP_NR_MEMSLOTS))")
        do throws(MachineFailure) {
            let found = try MachineProbe.run(system)
            if let landing = found.landing { line("system calls land in", landing.description) }
            line("cost of an exit", "\(found.exitNanoseconds) ns")
            line("guest-physical address bits", "\(found.physicalAddressBits)")
        } catch {
            Message.fail(error.sentence)
        }
        line("time without a system call", system.sharesCounter ? "yes" : "no; the host's kernel is older than Linux 6.4")
        line("transparent huge pages", hugePages())
        if open("/proc/self/exe") < 0 { Message.fail("/proc is not mounted; vmrun needs it") }
        line("result", "this host can run guests")
    }

    private static func line(_ name: String, _ value: String) { Message.print("\(name): \(value)\n") }

    private static func kernelRelease() -> String {
        let text = contents("/proc/sys/kernel/osrelease")
        return text.isEmpty ? "unknown" : text
    }

    private static func hugePages() -> String {
        let text = contents("/sys/kernel/mm/transparent_hugepage/enabled")
        guard let start = text.firstIndex(of: "["), let end = text.firstIndex(of: "]"), start < end else {
            return "not available; large memories will fault more often"
        }
        return String(text[text.index(after: start)..<end])
    }

    private static func open(_ path: StaticString) -> Int {
        Host.raw(
            Int32(SYS_openat), Int(AT_FDCWD), Int(bitPattern: path.utf8Start), Int(O_RDONLY | O_CLOEXEC))
    }

    /// The first line of a small file, empty where it cannot be read.
    private static func contents(_ path: StaticString) -> String {
        let descriptor = open(path)
        guard descriptor >= 0 else { return "" }
        defer { _ = Host.raw(Int32(SYS_close), descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
            let count = Host.raw(Int32(SYS_read), descriptor, Int(bitPattern: buffer.baseAddress), buffer.count)
            guard count > 0 else { return "" }
            let bytes = buffer[0..<count].prefix { $0 != 0x0a }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
