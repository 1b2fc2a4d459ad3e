import CShim
import FakeRoot
import GuestMemory
import Host
import LinuxABI
import Process

/// Who the other end of a socket is (unix(7)) under `--fakeroot`: the host knows its user, the guests one another's own accounts.
enum PeerCredentials {
    /// struct ucred.
    private static let size = 12
    private static let SCM_CREDENTIALS: Int32 = 2
    static let SO_PEERCRED: Int32 = 17

    /// On the way out: the sender may say of itself what Linux lets it say, and the host is told who it really is.
    static func claim(_ thread: GuestThread, _ base: UnsafeMutableRawPointer, length: Int) throws(GuestErrno) {
        guard let credentials = thread.credentials else { return }
        var walk = ControlMessages(base, length: length)
        while let entry = walk.advance() {
            guard entry.level == SOL_SOCKET, entry.type == SCM_CREDENTIALS, entry.dataLength >= size else { continue }
            let user = base.load(fromByteOffset: entry.dataOffset + 4, as: UInt32.self)
            let group = base.load(fromByteOffset: entry.dataOffset + 8, as: UInt32.self)
            guard credentials.user.isAnyOfThree(user) || credentials.has(Capabilities.setuid),
                credentials.group.isAnyOfThree(group) || credentials.has(Capabilities.setgid)
            else { throw .EPERM }
            let (hostUser, hostGroup) = FileStatus.hostIDs
            base.storeBytes(of: hostUser, toByteOffset: entry.dataOffset + 4, as: UInt32.self)
            base.storeBytes(of: hostGroup, toByteOffset: entry.dataOffset + 8, as: UInt32.self)
        }
    }

    /// On the way in.
    static func show(_ thread: GuestThread, _ base: UnsafeMutableRawPointer, length: Int) {
        guard thread.credentials != nil else { return }
        var walk = ControlMessages(base, length: length)
        while let entry = walk.advance() {
            guard entry.level == SOL_SOCKET, entry.type == SCM_CREDENTIALS, entry.dataLength >= size else { continue }
            show(thread, at: base + entry.dataOffset)
        }
    }

    /// Replaces the ids of a struct ucred by those that the process of its pid goes by; root's where that is not known.
    static func show(_ thread: GuestThread, at pointer: UnsafeMutableRawPointer) {
        let (hostUser, hostGroup) = FileStatus.hostIDs
        let peer = thread.process.session.credentials(of: pointer.load(as: Int32.self))
        if pointer.load(fromByteOffset: 4, as: UInt32.self) == hostUser {
            pointer.storeBytes(of: peer?.user.effective ?? 0, toByteOffset: 4, as: UInt32.self)
        }
        if pointer.load(fromByteOffset: 8, as: UInt32.self) == hostGroup {
            pointer.storeBytes(of: peer?.group.effective ?? 0, toByteOffset: 8, as: UInt32.self)
        }
    }

    /// SO_PEERCRED, behind a getsockopt(2) that has delivered the host's answer.
    static func showOption(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) {
        guard try GuestAccess.read(Int32.self, at: GuestAddress(args.a4)) >= Int32(size) else { return }
        let copy = thread.scratch.at(Scratch.structures)
        try GuestAccess.copyIn(copy, from: GuestAddress(args.a3), count: size)
        show(thread, at: copy)
        try GuestAccess.copyOut(copy, to: GuestAddress(args.a3), count: size)
    }
}
