import CShim
import GuestMemory
import Host
import Machine

/// Keeps vmrun's own memory out of the guest's arena. The kernel puts a program's mappings right there where RLIMIT_STACK is
/// unlimited or enormous, or where the personality asks for the old layout; then vmrun starts itself again without either,
/// and puts both back for the guest.
enum HostLayout {
    /// Carries what is to be put back: soft limit and personality, in decimal.
    private static let variable: StaticString = "VMRUN_HOST_LAYOUT="

    /// Makes sure of it. Ends vmrun with a sentence where it cannot be had.
    static func ensure() {
        if UInt64(vmrun_auxiliary_value(UInt(AT_PAGESZ))) != Arena.pageSize {
            Message.fail("this host's kernel has pages of another size than 4 KiB; vmrun needs one with 4 KiB")
        }
        let entries = ProgramWords.environment
        if let entry = entries.first(where: isOwn) {
            restore(entry)
            if !isSound { Message.fail("this host places programs where guests live, below \(hexadecimal(Arena.top))") }
            return
        }
        if !isSound { restart(entries) }
    }

    /// Whether an environment entry is vmrun's own, which the guest does not get.
    static func isOwn(_ entry: [UInt8]) -> Bool { variable.withUTF8Buffer { entry.starts(with: $0) } }

    /// Nothing of vmrun's lies in the arena, by one address of each kind: code, stack, the first thread's storage, and where the next
    /// mapping goes.
    private static var isSound: Bool {
        var local: UInt8 = 0
        let stack = withUnsafeMutablePointer(to: &local) { UInt64(UInt(bitPattern: $0)) }
        let code = UInt64(UInt(bitPattern: variable.utf8Start))
        let mapping = Host.raw(Int32(SYS_mmap), 0, 4096, Int(PROT_NONE), Int(MAP_PRIVATE | MAP_ANONYMOUS), -1, 0)
        guard mapping > 0 else { return false }
        _ = Host.raw(Int32(SYS_munmap), mapping, 4096)
        return [stack, code, UInt64(vmrun_thread_storage()), UInt64(mapping)].allSatisfy { $0 >= Arena.top }
    }

    private static func restart(_ environment: [[UInt8]]) {
        let before = HostPlacement.bound()
        var entry = variable.withUTF8Buffer { Array($0) }
        entry.append(contentsOf: "\(before.stackLimit),\(before.personality)".utf8)
        let entries = environment + [entry]
        withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<UInt8>?.self, capacity: entries.count + 1) { vector in
            for (index, text) in entries.enumerated() {
                let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: text.count + 1)
                copy.initialize(from: text + [0], count: text.count + 1)
                vector[index] = copy
            }
            vector[entries.count] = nil
            _ = "/proc/self/exe".withCString {
                Host.raw(
                    Int32(SYS_execve), $0.argument, Int(bitPattern: vmrun_arguments), Int(bitPattern: vector.baseAddress))
            }
        }
        Message.fail("cannot start vmrun again with a bounded stack; /proc must be mounted")
    }

    private static func restore(_ entry: [UInt8]) {
        var numbers: [UInt64] = [0]
        for byte in entry.dropFirst(variable.utf8CodeUnitCount) {
            if byte == UInt8(ascii: ",") {
                numbers.append(0)
            } else if byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") {
                numbers[numbers.count - 1] = numbers[numbers.count - 1] &* 10 &+ UInt64(byte - UInt8(ascii: "0"))
            }
        }
        guard numbers.count == 2 else { return }
        HostPlacement(stackLimit: numbers[0], personality: numbers[1]).restore()
    }
}
