import GuestMemory
import Machine

/// Passes on to the page tables that a range is no longer executable: one machine, or several while a vfork child runs on
/// one of its own.
final class ExecutionObserver: AddressSpaceObserver {
    var machines: [GuestMachine] = []

    func executeRevoked(start: UInt64, end: UInt64) {
        for machine in machines { machine.executeRevoked(start: start, end: end) }
    }
}

extension AddressSpace: GuestMappings {
    public func heldMapping(containing address: UInt64) -> GuestMapping? {
        guard let region = heldRegion(containing: address) else { return nil }
        return GuestMapping(start: region.start, end: region.end, protection: region.protection)
    }
}
