import CShim
import GuestMemory
import Host
import Machine

/// vCPUs for threads and helpers. KVM never gives a vCPU's number back, nor its memory while the VM is there. So a VM has a number of them
/// over its life, is followed by another over the same memory, and goes with its last vCPU.
extension GuestProcess {
    /// A vCPU that never ran, for whichever host thread comes first.
    func makeCPU() throws(MachineFailure) -> GuestCPU {
        while true {
            let current = threadsLock.withLock { machine }
            do throws(MachineFailure) { return try GuestCPU(current) } catch {
                guard current.isFull else { throw error }
            }
            let next = try newMachine()
            let isWanted = threadsLock.withLock {
                guard machine === current else { return false }
                machine = next
                return true
            }
            if isWanted {
                observer.add(next, memory)
                closeIfUnused(current)
            }
        }
    }

    private func newMachine() throws(MachineFailure) -> GuestMachine {
        try GuestMachine(system, mappings: memory, vdso: vdso, looksForSites: speedUps.contains(.rewriting)) {
            speedUps.path(of: $0, server)
        }
    }

    /// Gives back a vCPU whose thread is gone.
    func retire(_ cpu: GuestCPU) {
        cpu.close()
        cpu.machine.cpuClosed()
        if threadsLock.withLock({ cpu.machine !== machine }) { closeIfUnused(cpu.machine) }
    }

    /// Closes a VM that makes no more vCPUs, once the last is gone. Of those who see that, one does it.
    private func closeIfUnused(_ machine: GuestMachine) {
        if machine.isUnused && observer.remove(machine, memory) { machine.close() }
    }

    /// A new VM over the same memory, with empty page tables: chunks come back as they are touched.
    func replaceMachine() throws(MachineFailure) {
        machine = try newMachine()
        observer.add(machine, memory)
    }
}

/// Passes on to the page tables that a range is no longer executable.
final class ExecutionObserver: AddressSpaceObserver {
    /// The VMs of the address space. Changed and read with the address space held.
    var machines: [GuestMachine] = []

    func executeRevoked(start: UInt64, end: UInt64) {
        for machine in machines { machine.executeRevoked(start: start, end: end) }
    }

    var runsAlone: Bool { machines.count == 1 && machines[0].hasOneCPU }

    func target(ofSlot slot: Int) -> UInt64 { GuestMachine.stub(slot) }

    func callSiteChosen(_ slot: Int, _ site: CallSite) {
        for machine in machines { machine.installStub(slot, site) }
    }

    func add(_ machine: GuestMachine, _ memory: AddressSpace) {
        memory.hold()
        machines.append(machine)
        memory.forEachHeldCallSite { slot, site in
            machine.installStub(slot, site)
        }
        memory.release()
    }

    /// False where it was not there any more.
    @discardableResult
    func remove(_ machine: GuestMachine, _ memory: AddressSpace) -> Bool {
        memory.hold()
        defer { memory.release() }
        guard let index = machines.firstIndex(where: { $0 === machine }) else { return false }
        machines.remove(at: index)
        return true
    }
}

extension AddressSpace: GuestMappings {
    public func heldMapping(containing address: UInt64) -> GuestMapping? {
        guard let region = heldRegion(containing: address) else { return nil }
        return GuestMapping(start: region.start, end: region.end, protection: region.protection)
    }
}
