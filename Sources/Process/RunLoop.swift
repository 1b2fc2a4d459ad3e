import CShim
import GuestMemory
import Host
import Machine
import Signals

extension GuestThread {
    /// Runs the guest until this thread ends (exit(2)). The end of the process does not return.
    func runLoop() {
        while !hasEnded {
            if process.notesEntries { enteredAt.pointee = Clock.monotonic() }
            let event = cpu.enter(&host.pointee.attention)
            let entered = enteredAt.pointee
            if entered != 0 { enteredAt.pointee = 0 }
            switch event {
            case .systemCall:
                let number = cpu.systemCallNumber
                lastSystemCall = number
                if isStepping { process.debugger?.callBegins(self) }
                if let site = cpu.sampledSite, !process.memory.noteCall(number, behind: site) { cpu.sampleLess() }
                let isFree = !isFiltered
                var result =
                    isFree ? process.server.serve(self, number: number, cpu.systemCallArguments) : serveFiltered(number, cpu.systemCallArguments)
                if hasEnded { return }
                if isFree { noteServed(number, result) }
                if handOver != -1 { result = handOver == Self.inPlace ? replaceProgram() : becomeProgram() }
                let isRestarted = !hasContext && result == VMRUN_ERESTART
                if hasContext {
                    hasContext = false
                } else if isRestarted {
                    cpu.rewindSystemCall(number: number)
                } else {
                    cpu.setResult(result)
                }
                if isStepping { process.debugger?.callEnded(self, isRestarted: isRestarted) }
            case .fault(let fault):
                if let debugger = process.debugger, debugger.takes(fault, of: self) { break }
                // A signal that came before the instruction is delivered first: the instruction will fault again.
                if !signals.hold() && fault.isRestartable {
                    attend(entered: entered)
                } else {
                    signals.deliverFault(cpu, fault)
                }
            case .attention:
                attend(entered: entered)
            case .failure(let failure):
                fail(failure)
            }
        }
    }

    /// The run loop of a first thread, whose host thread ends inside `end`.
    func runToEnd() -> Never {
        runLoop()
        process.exitGroup(0)
    }

    /// The attention word is set: other threads' requests first, then the guest's signals.
    private func attend(entered: UInt64) {
        if host.pointee.attention & UInt32(VMRUN_ATTENTION_KICK) != 0 {
            vmrun_clear_bits(&host.pointee.attention, UInt32(VMRUN_ATTENTION_KICK))
            serveRequests(entered: entered)
        }
        if host.pointee.attention & UInt32(VMRUN_ATTENTION_SIGNAL) != 0 {
            cpu.bringToUser()
            if let debugger = process.debugger, !debugger.admitsSignal(of: self) { return }
            signals.deliverPending(cpu)
        }
    }

    private func serveRequests(entered: UInt64) {
        if hasHandedSignal {
            vmrun_clear_bits(&host.pointee.requests, ThreadRequest.signal)
            _ = vmrun_requeue(handedSignal.si_signo, &handedSignal)
        }
        if host.pointee.requests & ThreadRequest.debugger != 0 {
            vmrun_clear_bits(&host.pointee.requests, ThreadRequest.debugger)
            process.debugger?.park(self)
        }
        if host.pointee.requests & ThreadRequest.watchdog != 0 {
            vmrun_clear_bits(&host.pointee.requests, ThreadRequest.watchdog)
            // The kick may have met a later stay than the one it was meant for.
            if entered != 0 && Watchdog.isOverdue(entered, process) {
                cpu.bringToUser()
                Watchdog.report(self, instruction: cpu.instructionPointer)
            }
        }
    }

    private func fail(_ failure: MachineFailure) -> Never {
        Message.fail(failure.sentence)
    }
}

/// Bits of vmrun_thread.requests.
enum ThreadRequest {
    static let watchdog: UInt32 = 1
    /// `handedSignal` is there.
    static let signal: UInt32 = 2
    /// The debugger wants it to stand still, or has changed what it runs with.
    static let debugger: UInt32 = 4
}
