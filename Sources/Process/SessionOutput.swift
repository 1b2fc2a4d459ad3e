import CShim
import Host

/// What a session's members have written together, in memory that they share: for `--max-output`.
///
/// Bytes are taken before they are written, and what was not written is given back: so no two members write the same rest. What a member had taken
/// when it was killed counts as written.
public struct SessionOutput {
    static let size = entriesOffset + capacity * entrySize

    private enum Header {
        static let most = 0
        static let taken = 8
        static let written = 16
        static let count = 24
    }

    private static let entriesOffset = 64
    private static let entrySize = 16
    /// A vmrun that is started with more pipes, sockets and terminals counts each that its guests write to.
    private static let capacity = 256
    /// Where an entry has a device's number for its inode.
    private static let terminal = UInt64.max
    /// How often, a millisecond each, is waited for what others have taken.
    private static let patience = 3000

    let base: UnsafeMutableRawPointer

    private func word(_ offset: Int) -> UnsafeMutablePointer<UInt64> { (base + offset).assumingMemoryBound(to: UInt64.self) }

    /// Bytes; 0: no limit. Set once, before there is a second member.
    public var most: UInt64 {
        get { word(Header.most).pointee }
        nonmutating set { word(Header.most).pointee = newValue }
    }

    /// As many of `wanted` bytes as may still be written; 0: none.
    public func take(_ wanted: UInt64) -> UInt64 {
        var patience = Self.patience
        while true {
            let seen = vmrun_atomic_load64(word(Header.taken))
            if seen < most {
                let granted = min(wanted, most - seen)
                if vmrun_atomic_exchange_if64(word(Header.taken), seen, seen + granted) != 0 { return granted }
            } else if vmrun_atomic_load64(word(Header.written)) >= most || patience == 0 {
                return 0
            } else {
                // Others are in the middle of calls that may write less.
                patience -= 1
                Host.pause(nanoseconds: 1_000_000)
            }
        }
    }

    /// Of what was taken so much has been written.
    public func settle(taken: UInt64, written: UInt64) {
        if written > 0 { add(written, to: Header.written) }
        if written != taken { add(written &- taken, to: Header.taken) }
    }

    private func add(_ number: UInt64, to offset: Int) {
        while true {
            let seen = vmrun_atomic_load64(word(offset))
            if vmrun_atomic_exchange_if64(word(offset), seen, seen &+ number) != 0 { return }
        }
    }

    // MARK: What the session was given

    /// Notes that one of the descriptors that vmrun was started with leads out of the session, if it does. Before there is a second member.
    public func noteGiven(_ descriptor: Int32) {
        guard let status = Self.status(of: descriptor) else { return }
        let index = Int(word(Header.count).pointee)
        let entry = word(Self.entriesOffset + min(index, Self.capacity - 1) * Self.entrySize)
        switch status.st_mode & mode_t(S_IFMT) {
        case mode_t(S_IFIFO), mode_t(S_IFSOCK): (entry[0], entry[1]) = (UInt64(status.st_dev), UInt64(status.st_ino))
        case mode_t(S_IFCHR) where Self.isTerminal(descriptor): (entry[0], entry[1]) = (Self.terminal, UInt64(status.st_rdev))
        default: return
        }
        word(Header.count).pointee = UInt64(index + 1)
    }

    /// Whether what is written to this descriptor leaves the session: regular files, and what it was given.
    public func counts(_ descriptor: Int32) -> Bool {
        guard let status = Self.status(of: descriptor) else { return false }
        switch status.st_mode & mode_t(S_IFMT) {
        case mode_t(S_IFREG), mode_t(S_IFBLK): return true
        case mode_t(S_IFIFO), mode_t(S_IFSOCK): return isGiven(UInt64(status.st_dev), UInt64(status.st_ino))
        case mode_t(S_IFCHR): return UInt64(status.st_rdev) == Self.controllingTerminal || isGiven(Self.terminal, UInt64(status.st_rdev))
        default: return false
        }
    }

    /// The device number of /dev/tty, whichever terminal that is.
    private static let controllingTerminal: UInt64 = 5 << 8

    private func isGiven(_ device: UInt64, _ inode: UInt64) -> Bool {
        let count = Int(word(Header.count).pointee)
        if count > Self.capacity { return true }
        for index in 0..<count {
            let entry = word(Self.entriesOffset + index * Self.entrySize)
            if entry[0] == device && entry[1] == inode { return true }
        }
        return false
    }

    private static func status(of descriptor: Int32) -> stat? {
        var status = stat()
        let result = withUnsafeMutablePointer(to: &status) { Host.raw(Int32(SYS_fstat), Int(descriptor), $0.argument) }
        return result == 0 ? status : nil
    }

    private static func isTerminal(_ descriptor: Int32) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) {
            Host.raw(Int32(SYS_ioctl), Int(descriptor), Int(TCGETS), Int(bitPattern: $0.baseAddress)) == 0
        }
    }
}
