import CShim
import GuestMemory
import Host
import Machine

/// vCPUs for threads and helpers. KVM never gives a vCPU number back, and knows only so many in a VM: one that is full is followed by
/// another over the same memory, and goes with its last vCPU.
extension GuestProcess {
    /// A vCPU that never ran, for whichever host thread comes first.
    func makeCPU() throws(MachineFailure) -> GuestCPU {
        while true {
            let current = threadsLock.withLock { machine }
            do throws(MachineFailure) { return try GuestCPU(current) } catch {
                guard current.isFull else { throw error }
            }
            let next = try GuestMachine(system, mappings: memory, vdso: vdso)
            let isWanted = threadsLock.withLock {
                guard machine === current else { return false }
                machine = next
                return true
            }
            if isWanted { observer.add(next, memory) }
        }
    }

    /// Gives back a vCPU whose thread is gone.
    func retire(_ cpu: GuestCPU) {
        cpu.close()
        let machine = cpu.machine
        if machine.cpuClosed() && threadsLock.withLock({ machine !== self.machine }) {
            observer.remove(machine, memory)
            machine.close()
        }
    }

    /// A new VM over the same memory, with empty page tables: chunks come back as they are touched.
    func replaceMachine() throws(MachineFailure) {
        machine = try GuestMachine(system, mappings: memory, vdso: vdso)
        observer.machines = [machine]
    }
}

/// Passes on to the page tables that a range is no longer executable.
final class ExecutionObserver: AddressSpaceObserver {
    /// The VMs of the address space. Changed and read with the address space held.
    var machines: [GuestMachine] = []

    func executeRevoked(start: UInt64, end: UInt64) {
        for machine in machines { machine.executeRevoked(start: start, end: end) }
    }

    func add(_ machine: GuestMachine, _ memory: AddressSpace) {
        memory.hold()
        machines.append(machine)
        memory.release()
    }

    func remove(_ machine: GuestMachine, _ memory: AddressSpace) {
        memory.hold()
        machines.removeAll { $0 === machine }
        memory.release()
    }
}

extension AddressSpace: GuestMappings {
    public func heldMapping(containing address: UInt64) -> GuestMapping? {
        guard let region = heldRegion(containing: address) else { return nil }
        return GuestMapping(start: region.start, end: region.end, protection: region.protection)
    }
}
