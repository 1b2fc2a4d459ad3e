import CShim
import GuestMemory
import Host
import Machine
import Signals

extension GuestThread {
    /// Runs the guest until this thread ends (exit(2)). The end of the process does not return.
    func runLoop() {
        while !hasEnded {
            if process.timeout > 0 { enteredAt.pointee = Clock.monotonic() }
            let event = cpu.enter(&host.pointee.attention)
            let entered = enteredAt.pointee
            if entered != 0 { enteredAt.pointee = 0 }
            switch event {
            case .systemCall:
                let number = cpu.systemCallNumber
                lastSystemCall = number
                if let site = cpu.sampledSite, !process.memory.noteCall(number, behind: site) { cpu.sampleLess() }
                var result: Int
                if isFiltered {
                    result = serveFiltered(number, cpu.systemCallArguments)
                    if hasEnded { return }
                } else {
                    result = process.server.serve(self, number: number, cpu.systemCallArguments)
                    if hasEnded { return }
                    noteServed(number, result)
                }
                if handOver != -1 { result = handOver == Self.inPlace ? replaceProgram() : becomeProgram() }
                if hasContext {
                    hasContext = false
                } else if result == VMRUN_ERESTART {
                    cpu.rewindSystemCall(number: number)
                } else {
                    cpu.setResult(result)
                }
            case .fault(let fault):
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
            signals.deliverPending(cpu)
        }
    }

    private func serveRequests(entered: UInt64) {
        if hasHandedSignal {
            vmrun_clear_bits(&host.pointee.requests, ThreadRequest.signal)
            _ = vmrun_requeue(handedSignal.si_signo, &handedSignal)
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
}
