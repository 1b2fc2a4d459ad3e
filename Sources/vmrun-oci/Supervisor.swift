import CShim
import Host

/// Waits for a child and passes on the signals that are meant for it. In a namespace of its own it is process 1: whatever the child leaves
/// behind ends with it.
enum Supervisor {
    private static let everySignal: UInt64 = ~0

    /// Blocks all signals, so that none is lost. To be called before the child is made.
    static func begin() { setMask(everySignal) }

    /// The child's mask.
    static func release() { setMask(0) }

    private static func setMask(_ mask: UInt64) {
        var mask = mask
        _ = withUnsafeMutablePointer(to: &mask) { Host.raw(Int32(SYS_rt_sigprocmask), Int(SIG_SETMASK), $0.argument, 0, 8) }
    }

    /// The child's exit status, 128+N where signal N ended it.
    static func wait(for child: Int) -> Int {
        var mask = everySignal
        // siginfo_t: si_signo, si_errno, si_code.
        var information = [Int32](repeating: 0, count: 32)
        while true {
            let signal = information.withUnsafeMutableBytes { information in
                withUnsafeMutablePointer(to: &mask) {
                    Host.raw(Int32(SYS_rt_sigtimedwait), $0.argument, Int(bitPattern: information.baseAddress), 0, 8)
                }
            }
            if signal == Int(SIGCHLD) {
                if let status = reap(child) { return status }
            } else if signal > 0, information[2] <= 0 {
                // A terminal's own it has got already.
                _ = Host.raw(Int32(SYS_kill), child, signal)
            }
        }
    }

    private static func reap(_ child: Int) -> Int? {
        while true {
            var status: Int32 = 0
            let pid = withUnsafeMutablePointer(to: &status) { Host.raw(Int32(SYS_wait4), -1, $0.argument, Int(WNOHANG), 0) }
            if pid <= 0 { return nil }
            if pid == child { return status & 0x7f == 0 ? Int(status >> 8 & 0xff) : 128 + Int(status & 0x7f) }
        }
    }
}
