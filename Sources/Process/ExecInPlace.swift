import CShim
import FakeRoot
import GuestImage
import GuestMemory
import Host
import LinuxABI
import Machine
import Signals
import Statistics
import SyntheticFS
import Sysroot

/// What an exec in place goes on with when the old program's system call has ended.
struct NextProgram {
    let program: PreparedProgram
    let credentials: FakeCredentials?
}

/// execve(2) without the host's: the program takes the old one's place in this host process, its VM and its vCPU. That costs a third of a
/// fresh image. What Linux does at an exec is done here by hand, so it serves only where that is little: see `mayReplaceProgram`.
extension GuestThread {
    /// Page tables and memslots of old programs stay: a process that executes again and again begins anew now and then.
    private static let mostReplacements = 32

    /// Whether the guest could not tell the difference. The address space is this process's alone, as are its descriptors; no thread has to
    /// end but this one; and nothing of what Linux resets was changed: credentials and capabilities (which an exec leaves as they are once it has
    /// computed them), scheduling, timers, the mm's attributes.
    var mayReplaceProgram: Bool {
        GuestCPU.beginsAnew && process.hasOneHostThread && tid == process.pid && !process.mayShareDescriptors && !process.hasUnlikeThreads
            && !process.hasHostState && !hasOwnTables && ownFiles == nil && process.programsReplaced < Self.mostReplacements
    }

    /// The second half of execve(2). VMRUN_ERESTART where a signal came before; otherwise the context is the new program's.
    func replaceProgram() -> Int {
        handOver = -1
        guard let next = nextProgram else { return -Int(EIO) }
        nextProgram = nil
        // One that is captured came before. From here on there is no way back.
        guard !hasHandedSignal, signals.hold() else { return VMRUN_ERESTART }
        let program = next.program
        if program.interpreter != nil { process.startPoller() }
        leaveOldProgram()
        let state: StartState
        do throws(ImageError) {
            state = try ProcessStart.load(program, into: process.memory, cpu.machine, vdso: process.vdso, next.credentials)
        } catch {
            vmrun_die_by_signal(SIGSEGV)
        }
        publish(program, state, next.credentials)
        Statistics.count(.execsInPlace)
        begin(state)
        if program.interpreter != nil { expectCalls() }
        process.releaseVforkParent()
        signals.release()
        return 0
    }

    /// What belongs to the old program ends, in the order of begin_new_exec() in fs/exec.c.
    private func leaveOldProgram() {
        process.programsReplaced += 1
        leavePoller()
        callsExpected = 0
        cpu.forgetAnswers()
        if robustList != 0 {
            setRobustListOnHost(0)
            var list = RobustList(head: robustList, tid: tid)
            list.giveUp()
            robustList = 0
        }
        // Without another process in this memory Linux leaves the word alone.
        setClearChildTid(0)
        do throws(GuestErrno) { try process.memory.reset(layout: ProcessStart.chooseLayout(after: process.memory.layout)) } catch {
            vmrun_die_by_signal(SIGSEGV)
        }
        // Before a descriptor that closes tells anybody.
        process.updateRecord { $0.hasExecuted = true }
        InternalDescriptors.closeOnExec()
        process.descriptorKinds.forget(from: 0, through: .max)
        process.actions.forgetHandlers()
        signals.forgetProgram()
    }

    private func publish(_ program: PreparedProgram, _ state: StartState, _ credentials: FakeCredentials?) {
        let old = process.currentRecord
        var record = ProcessStart.record(of: program, state, credentials)
        record.coredumpFilter = old.coredumpFilter
        record.hasRenouncedPrivileges = hasRenouncedPrivileges
        record.seccompMode = old.seccompMode
        record.seccompFilters = old.seccompFilters
        record.ignoredSignals = process.actions.ignoredMask
        record.hasExecuted = true
        process.become(record, path: program.executablePath)
        Host.close(old.executableDescriptor)
        self.credentials = credentials
        ThreadName(program.comm).apply()
    }

    private func begin(_ state: StartState) {
        let context = UserContext(entry: state.entry, stackPointer: state.stackPointer)
        defer { context.free() }
        ProcessStart.expect(state, process.memory, in: cpu.machine)
        do throws(MachineFailure) { try context.load(into: cpu) } catch {
            Message.fail(error.sentence)
        }
        prepareAnswers()
        hasContext = true
    }
}
