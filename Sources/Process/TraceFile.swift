import CShim
import Host
import Tracing

extension GuestThread {
    /// The beginning of a line of the trace: who, and when.
    public func traceLine(_ settings: TraceSettings, at time: UInt64) -> TraceText {
        var line = TraceText()
        line.unsigned(UInt64(UInt32(bitPattern: tid)))
        line.text(" ")
        line.seconds(time &- settings.beginning)
        line.text(" ")
        return line
    }

    /// Writes a line in one piece. The guest notices nothing of it: no signal comes to it from the file, and none interrupts the write.
    public func writeTrace(_ line: TraceText, _ settings: TraceSettings) {
        let descriptor = settings.isFilePerProcess ? process.ownTraceFile(settings) : settings.descriptor
        guard descriptor >= 0 else { return }
        var all = UInt64.max
        var before: UInt64 = 0
        withUnsafeMutablePointer(to: &all) { all in
            withUnsafeMutablePointer(to: &before) { before in
                _ = Host.raw(Int32(SYS_rt_sigprocmask), Int(SIG_SETMASK), all.argument, before.argument, 8)
            }
        }
        write(line.content, to: descriptor)
        withUnsafeMutablePointer(to: &before) {
            _ = Host.raw(Int32(SYS_rt_sigprocmask), Int(SIG_SETMASK), $0.argument, 0, 8)
        }
    }

    private func write(_ bytes: [UInt8], to descriptor: Int32) {
        bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let result = Host.raw(
                    Int32(SYS_write), Int(descriptor), Int(bitPattern: bytes.baseAddress) + done, bytes.count - done)
                switch -result {
                case Int(EINTR): continue
                case Int(EAGAIN):
                    var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = withUnsafeMutablePointer(to: &wanted) { Host.raw(Int32(SYS_ppoll), $0.argument, 1) }
                case Int(EPIPE): return dropSignal(SIGPIPE)
                case Int(EFBIG): return dropSignal(SIGXFSZ)
                default:
                    if result <= 0 { return }
                    done += result
                }
            }
        }
    }

    /// Takes back the signal that a failed write has sent to this thread.
    private func dropSignal(_ signal: Int32) {
        _ = Host.takePendingSignal(of: 1 << UInt64(signal - 1))
    }
}

/// Where a process's own file of the trace stands.
enum TraceFileState {
    /// Not opened yet; what is there from an earlier process of that number goes.
    static let new: Int32 = -1
    /// Not opened yet by this image: an exec came before.
    static let continued: Int32 = -2
    /// It cannot be opened.
    static let none: Int32 = -3
}

extension GuestProcess {
    /// The descriptor of this process's own file, opened when first needed; negative where it cannot be.
    fileprivate func ownTraceFile(_ settings: TraceSettings) -> Int32 {
        threadsLock.withLock {
            if traceFile >= 0 || traceFile == TraceFileState.none { return traceFile }
            let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | (traceFile == TraceFileState.new ? O_TRUNC : 0)
            let result = HostFile.with(settings.fileName(of: pid)) { Host.raw(Int32(SYS_openat), Int(settings.descriptor), $0, Int(flags), 0o666) }
            traceFile = result < 0 ? TraceFileState.none : InternalDescriptors.adopt(Int32(truncatingIfNeeded: result))
            if result < 0 { Message.error("the trace file of process \(pid) cannot be opened (errno \(-result))") }
            return traceFile
        }
    }
}
