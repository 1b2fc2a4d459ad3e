import CShim
import Host
import Seccomp

/// What vmrun gives up before the first guest instruction: for the calling thread, and for all that it will make.
public enum Confinement {
    /// Why a step cannot be taken: the host's errno.
    public struct Refusal: Error, Equatable {
        public let errno: Int32
    }

    /// No program that is executed lends rights from here on (prctl(2), PR_SET_NO_NEW_PRIVS). It is what lets any user install a filter.
    public static func renouncePrivileges() throws(Refusal) {
        try check(Host.raw(Int32(SYS_prctl), Int(PR_SET_NO_NEW_PRIVS), 1, 0, 0, 0))
    }

    /// Whether that is so already.
    public static var hasRenouncedPrivileges: Bool {
        Host.raw(Int32(SYS_prctl), Int(PR_GET_NO_NEW_PRIVS), 0, 0, 0, 0) == 1
    }

    /// Installs a filter (seccomp(2)), which fork and exec hand on, and which nothing takes off again. Another thread of the process is not
    /// bound by it. Speculation stays as it is: before Linux 5.16 a filter would slow everything down for that.
    public static func install(_ program: FilterProgram) throws(Refusal) {
        let result = program.instructions.withUnsafeBufferPointer { instructions in
            var header = FilterHeader(count: UInt16(clamping: instructions.count), instructions: instructions.baseAddress)
            return withUnsafeMutablePointer(to: &header) {
                Host.raw(Int32(SYS_seccomp), Int(setModeFilter), Int(allowSpeculation), $0.argument)
            }
        }
        try check(result)
    }

    /// Whether this kernel has filters that end a process.
    public static var canFilter: Bool {
        var action = killProcess
        return withUnsafeMutablePointer(to: &action) {
            Host.raw(Int32(SYS_seccomp), Int(getActionAvailable), 0, $0.argument) == 0
        }
    }

    /// struct sock_fprog.
    private struct FilterHeader {
        var count: UInt16
        var instructions: UnsafePointer<FilterInstruction>?
    }

    // linux/seccomp.h
    private static let setModeFilter: UInt32 = 1
    private static let getActionAvailable: UInt32 = 2
    private static let allowSpeculation: UInt32 = 4
    private static let killProcess: UInt32 = 0x8000_0000

    static func check(_ result: Int) throws(Refusal) {
        if result < 0 { throw Refusal(errno: Int32(truncatingIfNeeded: -result)) }
    }
}
