import CShim
import Debugger
import GuestMemory
import Host
import LinuxABI
import Machine
import SyntheticFS
import Sysroot

/// What a debugger asks for. All of it runs on the server's thread, with the lock held and every thread standing still.
extension GuestDebugger: DebugTarget {
    public var processID: Int32 { process.pid }

    public var threadIDs: [Int32] { threads.map { $0.tid } }

    public func process(ofThread thread: Int32) -> Int32 { self.thread(thread)?.process.pid ?? process.pid }

    public func name(ofThread thread: Int32) -> [UInt8] {
        Host.withFileStart("/proc/\(thread)/comm", capacity: 32) { Array($0.prefix { $0 != 0x0a }) } ?? []
    }

    // MARK: Registers

    public func registers(ofThread tid: Int32) -> [UInt8]? {
        guard let thread = thread(tid), let state = thread.debugState, loadVectors(thread, state) else { return nil }
        return DebugRegisters.bytes(of: thread.cpu, vectors: state.vectors)
    }

    public func setRegisters(ofThread tid: Int32, to bytes: [UInt8]) -> Bool {
        guard let thread = thread(tid), let state = thread.debugState, bringOut(thread, state), loadVectors(thread, state) else {
            return false
        }
        DebugRegisters.set(thread.cpu, vectors: state.vectors, to: bytes)
        state.registersChanged = true
        state.vectorsChanged = true
        return true
    }

    /// The vCPU is not running, whatever its thread does.
    private func loadVectors(_ thread: GuestThread, _ state: ThreadDebugState) -> Bool {
        if state.isParked && state.hasVectors { return true }
        do throws(MachineFailure) { try thread.cpu.saveExtendedState(state.vectors) } catch { return false }
        state.hasVectors = true
        return true
    }

    // MARK: Memory

    /// The program's own memory, and the host's vDSO, which it may read.
    private func isReadable(_ address: UInt64, _ length: UInt64) -> Bool {
        if Arena.contains(GuestAddress(address), length: length) { return true }
        return address >= process.vdso.start && address <= process.vdso.end && length <= process.vdso.end - address
    }

    public func memory(at address: UInt64, count: Int) -> [UInt8] {
        guard let text, count > 0 else { return [] }
        var count = count
        // What lies beyond the end of the arena is not there.
        if address < Arena.top { count = Int(min(UInt64(count), Arena.top - address)) }
        guard isReadable(address, UInt64(count)) else { return [] }
        var bytes = text.read(at: address, count: count)
        points.hide(in: &bytes, at: address)
        return bytes
    }

    public func setMemory(at address: UInt64, to bytes: [UInt8]) -> Bool {
        guard let text, Arena.contains(GuestAddress(address), length: UInt64(bytes.count)) else { return false }
        var bytes = bytes
        let before = points
        points.keep(in: &bytes, at: address)
        if bytes.withUnsafeBytes({ text.write($0, at: address) }) { return true }
        points = before
        return false
    }

    public func insert(_ point: DebugPoint) -> DebugPoint.Outcome {
        guard let text, Arena.contains(GuestAddress(point.address), length: max(point.length, 1)) else {
            return .failed
        }
        return points.insert(point, text)
    }

    public func remove(_ point: DebugPoint) -> DebugPoint.Outcome { text.map { points.remove(point, $0) } ?? .failed }

    public func object(_ object: DebugObject) -> [UInt8]? {
        switch object {
        case .auxiliaryVector: return auxiliaryVector.withUnsafeBytes { Array($0) }
        case .executable: return process.executablePath
        case .signalInformation(let tid):
            guard let state = thread(tid)?.debugState else { return nil }
            // Any other stop is a trap of the debugger's own.
            if state.stopSignal == 0 {
                state.information = siginfo_t()
                state.information.si_signo = SIGTRAP
            }
            return withUnsafeBytes(of: state.information) { Array($0) }
        }
    }

    // MARK: Motion

    public func resume(_ actions: [ThreadAction]) {
        if let heldChild, actions.contains(where: { $0.thread == heldChild.thread?.tid }) { follow(heldChild) }
        for action in actions {
            guard let thread = thread(action.thread), let state = thread.debugState else { continue }
            // A signal ends the call that it waits in.
            if action.signal != 0 { _ = bringOut(thread, state) }
            state.motion = action.motion
            state.signal = action.signal
        }
        releaseThreads { thread in actions.contains { $0.thread == thread.tid } }
    }

    public func interrupt() {
        requestStop(.signal(SIGINT))
        ring()
    }

    public func setPassedSignals(_ signals: SignalSet) { passed = signals }

    /// The server sees that the session is over, and leaves.
    public func detach() {}

    public var child: DebugChild? { heldChild?.description }

    public func releaseChild() { if let heldChild { letGo(of: heldChild) } }

    public func killChild() {
        guard let child = heldChild else { return }
        _ = Host.raw(Int32(SYS_kill), Int(child.process), Int(SIGKILL))
        // A helper's end is for its parent to see.
        if child.thread == nil { letGo(of: child) }
    }

    public func leaveForChild() {
        guard let child = heldChild, let server else { return }
        heldChild = nil
        child.send(server.handOverToChild())
        server.abandon()
    }

    public func forgetFormerProcess() { formerProcess = 0 }

    /// Nobody debugs the program any more: it is as it was, and runs.
    func leave() {
        points.removeAll(text)
        passed = SignalSet()
        isAttached = false
        if let heldChild { letGo(of: heldChild) }
        for thread in threads {
            guard let state = thread.debugState else { continue }
            state.motion = .run
            // The debugger has not said that the program is not to have it.
            state.signal = state.stopSignal
        }
        releaseThreads { _ in true }
    }

    public func kill() {
        while true { _ = Host.raw(Int32(SYS_kill), Int(process.pid), Int(SIGKILL)) }
    }

    // MARK: Files

    public func openFile(_ path: [UInt8]) -> Int {
        do throws(GuestErrno) {
            let request = OpenRequest(flags: Int(O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), mode: 0)
            let opened = try process.files.withPathBytes(path) { (bytes) throws(GuestErrno) in
                try process.files.open(bytes, from: AT_FDCWD, request, attention: nil)
            }
            let own = InternalDescriptors.adoptForMachine(Int32(truncatingIfNeeded: opened))
            if own < 0 { return -Int(EMFILE) }
            do throws(GuestErrno) { try process.synthetic.prepareRead(own, atStart: true) } catch {
                Host.close(own)
                return error.result
            }
            return Int(own)
        } catch { return error.result }
    }

    public func readFile(_ descriptor: Int32, at offset: UInt64, count: Int) -> Result<[UInt8], FileFailure> {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let result = Host.raw(Int32(SYS_pread64), Int(descriptor), Int(bitPattern: buffer.baseAddress), count, Int(offset))
            filled = max(result, 0)
            if result < 0 { failure = Int32(-result) }
        }
        return failure == 0 ? .success(bytes) : .failure(FileFailure(failure))
    }

    public func fileStatus(_ descriptor: Int32) -> Result<DebugFileStatus, FileFailure> {
        guard let host = Host.status(of: descriptor) else { return .failure(FileFailure(EBADF)) }
        var status = DebugFileStatus()
        status.device = UInt64(host.st_dev)
        status.inode = UInt64(host.st_ino)
        status.mode = UInt64(host.st_mode)
        status.links = UInt64(host.st_nlink)
        status.user = UInt64(host.st_uid)
        status.group = UInt64(host.st_gid)
        status.size = UInt64(host.st_size)
        status.blockSize = UInt64(host.st_blksize)
        status.blocks = UInt64(host.st_blocks)
        status.accessed = UInt64(host.st_atim.tv_sec)
        status.modified = UInt64(host.st_mtim.tv_sec)
        status.changed = UInt64(host.st_ctim.tv_sec)
        return .success(status)
    }

    public func closeFile(_ descriptor: Int32) -> Int {
        Host.close(descriptor)
        return 0
    }

    public func linkText(_ path: [UInt8]) -> Result<[UInt8], FileFailure> {
        do throws(GuestErrno) {
            let object = try process.files.withPathBytes(path) { (bytes) throws(GuestErrno) in
                try process.files.object(bytes, from: AT_FDCWD, followLast: false)
            }
            guard case .descriptor(let descriptor) = object else { return .failure(FileFailure(EINVAL)) }
            defer { Host.close(descriptor) }
            var result = 0
            let text = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, filled in
                result = "".withCString {
                    Host.raw(Int32(SYS_readlinkat), Int(descriptor), $0.argument, Int(bitPattern: buffer.baseAddress), buffer.count)
                }
                filled = max(result, 0)
            }
            return result < 0 ? .failure(FileFailure(Int32(-result))) : .success(text)
        } catch { return .failure(FileFailure(Int32(-error.result))) }
    }

    public func send(_ bytes: [UInt8]) { server?.send(bytes) }
}
