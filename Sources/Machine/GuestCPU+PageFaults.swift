import CShim
import Host
import Statistics

/// A page fault of the guest's.
struct PageFault {
    let address: UInt64
    let write: Bool
    let fetch: Bool
    /// The processor's own word on it.
    let code: UInt64
}

/// What page faults come to, on every architecture.
extension GuestCPU {
    private static let SEGV_MAPERR: Int32 = 1
    private static let SEGV_ACCERR: Int32 = 2
    private static let BUS_ADRERR: Int32 = 2
    private static let BUS_MCEERR_AR: Int32 = 4

    /// A fault of the guest's own tables. Nil where the instruction is to be tried again.
    func pageFault(_ fault: PageFault) -> GuestEvent? {
        Statistics.count(.faults)
        if probe != nil { return probeFault(fault) }
        do throws(MachineFailure) {
            let resolution = try machine.resolveTableFault(fault) { () throws(MachineFailure) in try flushTables() }
            switch resolution {
            case .retry:
                if root != machine.tables.root { machine.copyTopEntry(fault.address, to: root) }
                return nil
            case .refused(let mapped): return .fault(segmentationFault(fault, mapped: mapped))
            }
        } catch {
            return .failure(error)
        }
    }

    private func segmentationFault(_ fault: PageFault, mapped: Bool) -> GuestFault {
        faultReport(fault, signal: SIGSEGV, code: mapped ? Self.SEGV_ACCERR : Self.SEGV_MAPERR, mapped: mapped)
    }

    // MARK: Probing for the exact fault address

    /// KVM_RUN said EFAULT: the host's mm refused an access of the instruction at `instruction`, without saying which. It is run
    /// again on an empty address space that fills page by page until the refused access shows itself.
    func beginProbe(_ instruction: UInt64) -> GuestEvent? {
        Statistics.count(.refusedAccesses)
        // The host's mm changed under a probe: look again from the beginning.
        if probe != nil { endProbe() }
        do throws(MachineFailure) {
            let new: FaultProbe
            if let known = ownProbe { new = known } else { new = try machine.makeProbe(shimOf: root) }
            ownProbe = new
            new.begin(instruction)
            probe = new
            useTables(new.root)
        } catch {
            return .failure(error)
        }
        return nil
    }

    func endProbe() {
        if let finished = probe {
            finished.end()
            probe = nil
        }
        useTables(root)
    }

    private func probeFault(_ fault: PageFault) -> GuestEvent? {
        guard let current = probe else { return nil }
        guard instructionPointer == current.instruction, current.steps < FaultProbe.maximumSteps else {
            // The instruction went through after all: another thread changed the mapping meanwhile.
            endProbe()
            return nil
        }
        let address = fault.address
        // The shim's pages are mapped too, but are nobody's to open.
        guard machine.isGuestMemory(address, 1) || machine.isVDSO(address), let physical = machine.translate(address) else {
            endProbe()
            return pageFault(fault)
        }
        let page = address & ~4095
        if machine.isVDSO(address) && !fault.write { return allow(page, physical, fault, in: current) }
        let advice = fault.write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ
        let answer = Host.raw(Int32(SYS_madvise), Int(page), 4096, Int(advice))
        switch Int32(truncatingIfNeeded: -answer) {
        case 0:
            return allow(page, physical, fault, in: current)
        case EINTR, EAGAIN:
            return nil
        case EFAULT, EHWPOISON:
            endProbe()
            let code = answer == -Int(EFAULT) ? Self.BUS_ADRERR : Self.BUS_MCEERR_AR
            return .fault(faultReport(fault, signal: SIGBUS, code: code, mapped: false))
        case ENOMEM:
            endProbe()
            if machine.growStack(at: address) { return nil }
            return .fault(segmentationFault(fault, mapped: false))
        default:
            endProbe()
            return .fault(segmentationFault(fault, mapped: true))
        }
    }

    private func allow(_ page: UInt64, _ physical: UInt64, _ fault: PageFault, in probe: FaultProbe) -> GuestEvent? {
        do throws(MachineFailure) {
            _ = try machine.withTables { (_, _) throws(MachineFailure) in
                try probe.allow(page, physical: physical & ~4095, write: fault.write, fetch: fault.fetch)
            }
            forgetTranslations()
            return nil
        } catch {
            return .failure(error)
        }
    }
}
