import Debugger
import GuestMemory
import LinuxABI
import Machine

/// The breakpoints that a debugger has in the program's memory, and what it has in the debug registers. Guarded by the debugger's lock.
struct DebugPoints {
    private struct Breakpoint {
        let address: UInt64
        /// What the program has there.
        var original: UInt8
        /// Which points stand here; never none.
        var isSoftware = false
        var isHardware = false
    }

    /// A watchpoint where there are no debug registers: the threads make single steps, and each is followed by a look.
    private struct Watch {
        let point: DebugPoint
        var value: [UInt8]
    }

    private static let instruction: UInt8 = 0xcc
    private static let most = 4096
    private static let mostWatches = 16
    private static let longestWatch: UInt64 = 64

    private var breakpoints: [Breakpoint] = []
    /// How many processes that are not debugged share the memory: meanwhile none stands there.
    private var lifts = 0
    private let hasRegisters = GuestCPU.hasDebugRegisters
    private var watches: [Watch] = []
    private(set) var hardware = GuestCPU.HardwarePoints()
    /// What each debug register is for.
    private var owners: [DebugPoint?] = Array(repeating: nil, count: GuestCPU.HardwarePoints.capacity)

    // MARK: In memory

    func contains(_ address: UInt64) -> Bool { breakpoints.contains { $0.address == address } }

    /// What a thread that has met the breakpoint at `address` is to tell.
    func reason(at address: UInt64) -> StopReason {
        let isSoftware = breakpoints.contains { $0.address == address && $0.isSoftware }
        return isSoftware ? .softwareBreakpoint : .hardwareBreakpoint
    }

    mutating func insert(_ point: DebugPoint, _ text: ProcessText) -> DebugPoint.Outcome {
        switch point.kind {
        case .software, .hardware:
            if point.kind == .hardware && hasRegisters { return insertHardware(point) ? .done : .failed }
            return insertBreakpoint(point, text) ? .done : .failed
        // The processor has none: the debugger makes do with an access watchpoint.
        case .read: return .unsupported
        case .write, .access:
            if hasRegisters { return insertHardware(point) ? .done : .failed }
            // Reads leave no trace.
            return point.kind == .access ? .unsupported : insertWatch(point, text) ? .done : .failed
        }
    }

    /// Failure where there is none.
    mutating func remove(_ point: DebugPoint, _ text: ProcessText) -> DebugPoint.Outcome {
        if point.kind == .read { return .unsupported }
        if point.kind != .software && removeHardware(point) { return .done }
        if let index = watches.firstIndex(where: { $0.point == point }) {
            watches.remove(at: index)
            return .done
        }
        return removeBreakpoint(point, text) ? .done : .failed
    }

    private mutating func insertBreakpoint(_ point: DebugPoint, _ text: ProcessText) -> Bool {
        let index: Int
        if let known = breakpoints.firstIndex(where: { $0.address == point.address }) {
            index = known
        } else {
            guard breakpoints.count < Self.most, let original = text.read(at: point.address, count: 1).first,
                lifts > 0 || Self.put(Self.instruction, at: point.address, text)
            else { return false }
            index = breakpoints.count
            breakpoints.append(Breakpoint(address: point.address, original: original))
        }
        if point.kind == .software { breakpoints[index].isSoftware = true } else { breakpoints[index].isHardware = true }
        return true
    }

    private mutating func removeBreakpoint(_ point: DebugPoint, _ text: ProcessText) -> Bool {
        guard let index = breakpoints.firstIndex(where: { $0.address == point.address }) else { return false }
        if point.kind == .software { breakpoints[index].isSoftware = false } else { breakpoints[index].isHardware = false }
        if breakpoints[index].isSoftware || breakpoints[index].isHardware { return true }
        if lifts == 0 { Self.restore(breakpoints[index], text) }
        breakpoints.remove(at: index)
        return true
    }

    mutating func removeAll(_ text: ProcessText?) {
        if let text { restore(in: text) }
        breakpoints = []
        watches = []
        hardware = GuestCPU.HardwarePoints()
        for index in owners.indices { owners[index] = nil }
    }

    mutating func lift(_ text: ProcessText?) {
        if let text { restore(in: text) }
        lifts += 1
    }

    mutating func replant(_ text: ProcessText?) {
        lifts -= 1
        guard lifts == 0, let text else { return }
        for breakpoint in breakpoints where text.read(at: breakpoint.address, count: 1).first == breakpoint.original {
            _ = Self.put(Self.instruction, at: breakpoint.address, text)
        }
    }

    /// Memory, or a copy of it, is as the program wrote it.
    func restore(in text: ProcessText) {
        if lifts == 0 { for breakpoint in breakpoints { Self.restore(breakpoint, text) } }
    }

    /// Whether what is in memory at `address` stops whoever executes it.
    static func stands(at address: UInt64, _ text: ProcessText) -> Bool { text.read(at: address, count: 1).first == instruction }

    /// The memory may be another one by now: what is no breakpoint stays.
    private static func restore(_ breakpoint: Breakpoint, _ text: ProcessText) {
        if stands(at: breakpoint.address, text) { _ = put(breakpoint.original, at: breakpoint.address, text) }
    }

    private static func put(_ byte: UInt8, at address: UInt64, _ text: ProcessText) -> Bool {
        withUnsafeBytes(of: byte) { text.write($0, at: address) }
    }

    /// Makes of what was read at `address` what the program has there.
    func hide(in bytes: inout [UInt8], at address: UInt64) {
        for breakpoint in breakpoints where breakpoint.address >= address && breakpoint.address - address < UInt64(bytes.count) {
            let index = Int(breakpoint.address - address)
            if bytes[index] == Self.instruction { bytes[index] = breakpoint.original }
        }
    }

    /// Makes of what is to be written at `address` what has to stand there.
    mutating func keep(in bytes: inout [UInt8], at address: UInt64) {
        for entry in breakpoints.indices {
            let place = breakpoints[entry].address
            guard place >= address, place - address < UInt64(bytes.count) else { continue }
            breakpoints[entry].original = bytes[Int(place - address)]
            if lifts == 0 { bytes[Int(place - address)] = Self.instruction }
        }
    }

    // MARK: By single steps

    /// Every thread has to make single steps.
    var hasWatches: Bool { !watches.isEmpty }

    private mutating func insertWatch(_ point: DebugPoint, _ text: ProcessText) -> Bool {
        guard watches.count < Self.mostWatches, point.length >= 1, point.length <= Self.longestWatch else { return false }
        let value = text.read(at: point.address, count: Int(point.length))
        guard value.count == Int(point.length) else { return false }
        watches.append(Watch(point: point, value: value))
        return true
    }

    /// The first watchpoint behind which there is something else than at the last look.
    mutating func changedWatch(_ text: ProcessText) -> DebugPoint? {
        for index in watches.indices {
            let value = text.read(at: watches[index].point.address, count: watches[index].value.count)
            guard value != watches[index].value else { continue }
            watches[index].value = value
            return watches[index].point
        }
        return nil
    }

    // MARK: In registers

    /// The point that debug register `index` is for.
    func owner(_ index: Int) -> DebugPoint? { owners.indices.contains(index) ? owners[index] : nil }

    /// False where the registers do not suffice.
    private mutating func insertHardware(_ point: DebugPoint) -> Bool {
        if owners.contains(where: { $0 == point }) { return true }
        guard let access = Self.access(point.kind) else { return false }
        var next = hardware
        var users = owners
        var address = point.address
        var left = access == .execute ? 1 : max(point.length, 1)
        while left > 0 {
            guard let free = users.firstIndex(where: { $0 == nil }) else { return false }
            // The largest piece that is aligned to its own length.
            var length: UInt64 = 8
            while length > left || address % length != 0 { length /= 2 }
            next.set(free, access, at: address, length: length)
            users[free] = point
            let (following, overflows) = address.addingReportingOverflow(length)
            if overflows { return false }
            address = following
            left -= length
        }
        (hardware, owners) = (next, users)
        return true
    }

    private mutating func removeHardware(_ point: DebugPoint) -> Bool {
        var isFound = false
        for index in owners.indices where owners[index] == point {
            owners[index] = nil
            hardware.clear(index)
            isFound = true
        }
        return isFound
    }

    private static func access(_ kind: DebugPoint.Kind) -> GuestCPU.HardwarePoints.Access? {
        switch kind {
        case .hardware: .execute
        case .write: .write
        case .access: .any
        case .read, .software: nil
        }
    }
}
