import CShim
import Debugger
import Host
import LinuxABI
import Sysroot

/// The host thread that talks with a debugger: waits for its connection, for what it sends, and for stops.
final class DebugServer {
    unowned(unsafe) let debugger: GuestDebugger
    private var listener: Int32
    private var connection: Int32
    private(set) var session: DebugSession?
    /// Its own state, which the copies of guest memory ask for.
    private let host: UnsafeMutablePointer<vmrun_thread>
    private let hasBegun = FutexWord(0)
    private static let stackSize: UInt64 = 256 << 10

    init(_ debugger: GuestDebugger, _ handOver: DebugHandOver) {
        self.debugger = debugger
        listener = handOver.listener
        connection = handOver.connection
        host = .allocate(capacity: 1)
        host.initialize(to: vmrun_thread())
        host.pointee.limits = debugger.process.limits
        if connection >= 0 {
            session = DebugSession(debugger, agreed: handOver.agreement, isRunning: !handOver.isStopped, openFiles: handOver.openFiles)
        }
    }

    /// Returns when the host thread is one that /proc leaves out.
    func start() {
        let result = vmrun_start_thread(
            { opaque in
                guard let opaque else { return }
                Unmanaged<DebugServer>.fromOpaque(opaque).takeRetainedValue().live()
            }, Unmanaged.passRetained(self).toOpaque(), Self.stackSize)
        if result != 0 { Message.fail("--gdb: the host makes no thread (errno \(-result))") }
        hasBegun.wait { $0 != 0 }
    }

    /// With the debugger's lock held.
    func handOver() -> DebugHandOver {
        DebugHandOver(listener: listener, connection: connection, session?.agreed ?? DebugSession.Agreement(), debugger.passed)
    }

    /// The same, for a child that takes this process's place. What is open goes to it.
    func handOverToChild() -> DebugHandOver { handOver().stopped(session?.openFiles ?? []) }

    /// Another process has the connection, and listens.
    func abandon() {
        for file in session?.openFiles ?? [] { Host.close(file.descriptor) }
        session = nil
        Host.close(connection)
        Host.close(listener)
        connection = -1
        listener = -1
        debugger.leave()
    }

    private func live() -> Never {
        ThreadName(Carrier.parkedName).apply()
        vmrun_thread_attach(host)
        hasBegun.set(1)
        while true {
            debugger.lock.withLock { tellStop() }
            wait()
        }
    }

    /// A stop that was asked for: everybody stands, and the debugger learns of it.
    private func tellStop() {
        guard debugger.mode == .stopping, let report = debugger.report else { return }
        debugger.settle()
        debugger.mode = .stopped
        session?.stopped(report.thread, report.reason)
        closeIfOver()
    }

    private func wait() {
        var sources = (
            pollfd(fd: debugger.bellDescriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: connection >= 0 ? connection : listener, events: Int16(POLLIN), revents: 0)
        )
        let ready = withUnsafeMutablePointer(to: &sources) { Host.raw(Int32(SYS_ppoll), $0.argument, 2, 0, 0, 8) }
        guard ready > 0 else { return }
        if sources.0.revents != 0 { silence() }
        guard sources.1.revents != 0 else { return }
        debugger.lock.withLock {
            // Another image reads from here on.
            if debugger.heldChild?.isLeaving == true { return }
            if connection >= 0 { read() } else if listener >= 0 { welcome() }
        }
    }

    private func silence() {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { buffer in
            _ = Host.raw(Int32(SYS_read), Int(debugger.bellDescriptor), Int(bitPattern: buffer.baseAddress), buffer.count)
        }
    }

    // MARK: The connection, with the lock held

    /// A debugger has come. It finds the program standing still.
    private func welcome() {
        connection = DebugSocket.accept(listener)
        guard connection >= 0 else { return }
        let session = DebugSession(debugger)
        self.session = session
        debugger.isAttached = true
        debugger.requestStop(.attached)
        debugger.settle()
        let thread = debugger.report?.thread ?? debugger.threads.first?.tid ?? debugger.process.pid
        // One may have met something of its own in the meantime.
        session.noteStop(thread, debugger.report?.reason ?? .attached)
        debugger.mode = .stopped
    }

    private func read() {
        let isThere = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer -> Bool in
            let count = Host.raw(Int32(SYS_read), Int(connection), Int(bitPattern: buffer.baseAddress), buffer.count)
            if count == -Int(EINTR) { return true }
            guard count > 0 else { return false }
            session?.receive(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            return true
        }
        if !isThere { session?.close() }
        closeIfOver()
    }

    private func closeIfOver() {
        guard let session, session.isOver else { return }
        session.close()
        self.session = nil
        Host.close(connection)
        connection = -1
        debugger.leave()
    }

    /// Sends everything, or gives the connection up.
    func send(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count, connection >= 0 {
                let result = Host.raw(
                    Int32(SYS_sendto), Int(connection), Int(bitPattern: bytes.baseAddress) + done, bytes.count - done,
                    Self.MSG_NOSIGNAL_NUMBER)
                if result == -Int(EINTR) { continue }
                // The next read finds out.
                guard result > 0 else {
                    _ = Host.raw(Int32(SYS_shutdown), Int(connection), 2)
                    return
                }
                done += result
            }
        }
    }

    private static let MSG_NOSIGNAL_NUMBER = 0x4000
}
