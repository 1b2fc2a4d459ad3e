import CShim
import GuestImage
import GuestMemory
import Host
import KVM
import LinuxABI
import Machine
import Signals
import SyntheticFS
import Sysroot

extension GuestThread {
    /// execve(2): everything that can fail is done first; then the host process becomes a fresh vmrun image that loads the
    /// program from the plan. The host's own exec does what Linux does to threads, descriptors marked close-on-exec, timers,
    /// signal dispositions, masks and pending signals. Returns only where the program cannot be run.
    public func execute(
        _ source: PreparedProgram.Source, argv: [[UInt8]], envp: [[UInt8]]
    ) throws(GuestErrno) -> Int {
        let program: PreparedProgram
        do throws(ImageError) {
            program = try PreparedProgram.prepare(
                source, argv: argv, envp: envp, opener: ProgramFiles(process.files), registry: process.interpreters,
                limits: ArgumentLimits.current())
        } catch {
            throw error.errno
        }

        var plan = ExecPlan()
        plan.executable = program.executable.descriptor
        plan.interpreter = program.interpreter?.file.descriptor ?? -1
        plan.arguments = program.argv
        plan.environment = program.envp
        plan.execfn = program.execfn
        plan.executablePath = program.executablePath
        plan.comm = program.comm
        plan.root = process.files.currentConfiguration.encoded()
        plan.timeout = process.timeout
        plan.blockedMask = signals.mask
        plan.ignoredMask = process.actions.ignoredMask
        plan.sessionDescriptor = process.session.descriptor
        plan.kvmDescriptor = process.system.descriptor
        plan.processor = process.system.processor
        plan.sharedMemoryDescriptor = process.synthetic.sharedMemory.lock
        plan.notifyDescriptor = process.notifyDescriptor
        plan.descriptorBase = InternalDescriptors.base
        plan.descriptorLimit = InternalDescriptors.guestLimit
        plan.descriptorHardLimit = InternalDescriptors.guestHardLimit
        // The kernel must place the fresh image outside the arena, whatever stack limit or layout the guest has asked for.
        let placement = HostPlacement.bound()
        defer { placement.restore() }
        plan.stackLimit = placement.stackLimit
        plan.personality = placement.personality
        let planDescriptor: Int32
        do throws(HostError) { planDescriptor = try plan.send() } catch { throw GuestErrno(error.number) }
        defer { _ = Host.raw(Int32(SYS_close), Int(planDescriptor)) }

        let inherited = [
            planDescriptor, plan.executable, plan.interpreter, plan.sessionDescriptor, plan.kvmDescriptor,
            plan.sharedMemoryDescriptor, plan.notifyDescriptor,
        ]
        setCloseOnExec(inherited, false)
        // Pending signals survive an exec. The fresh image opens the mask when it is ready. One that is captured came before.
        guard signals.hold() else {
            setCloseOnExec(inherited, true)
            return VMRUN_ERESTART
        }
        let failure = becomeFreshImage(planDescriptor)
        setCloseOnExec(inherited, true)
        signals.release()
        throw GuestErrno(failure)
    }

    private func setCloseOnExec(_ descriptors: [Int32], _ on: Bool) {
        for descriptor in descriptors where descriptor >= 0 {
            _ = Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_SETFD), on ? Int(FD_CLOEXEC) : 0)
        }
    }

    /// The errno of the failed host exec. Of a process whose first thread has ended, /proc/self shows nothing.
    private func becomeFreshImage(_ planDescriptor: Int32) -> Int32 {
        let number = "\(planDescriptor)"
        let result = "/proc/thread-self/exe".withCString { path in
            "vmrun".withCString { name in
                "--helper-fd".withCString { option in
                    number.withCString { value in
                        withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: 5) { words in
                            words[0] = name
                            words[1] = option
                            words[2] = value
                            words[3] = nil
                            words[4] = nil
                            guard let base = words.baseAddress else { return -Int(ENOMEM) }
                            return Host.raw(
                                Int32(SYS_execve), path.argument, Int(bitPattern: base), Int(bitPattern: base + 4))
                        }
                    }
                }
            }
        }
        return Int32(truncatingIfNeeded: -result)
    }
}
