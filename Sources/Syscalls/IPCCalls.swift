import CShim
import GuestMemory
import LinuxABI
import Process

/// The control calls of System V IPC, by command, and mq_notify.
enum IPCCalls {
    private static let IPC_SET: UInt32 = 1
    private static let IPC_STAT: UInt32 = 2
    private static let IPC_INFO: UInt32 = 3

    /// semctl(2): the fourth argument is a number, a structure, or an array with one entry for each semaphore of the set.
    static func semctl(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let size: UInt64? =
            switch UInt32(truncatingIfNeeded: args.a2) {
            case IPC_SET, IPC_STAT, 18, 20: WireStructure.semidSize  // SEM_STAT, SEM_STAT_ANY: struct semid_ds
            case IPC_INFO, 19: 40  // SEM_INFO: struct seminfo
            case 13, 17: 2  // GETALL, SETALL: upward from here, at most SEMMSL numbers
            default: nil
            }
        let argument = size.map { Forwarding.checked(args.a3, $0) } ?? args.a3
        return thread.hostCall(Int(SYS_semctl), args.a0, args.a1, args.a2, argument)
    }

    static func shmctl(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let size: UInt64 =
            switch UInt32(truncatingIfNeeded: args.a1) {
            case IPC_INFO: 72  // struct shminfo
            case 14: 48  // SHM_INFO: struct shm_info
            default: 112  // struct shmid_ds, or nothing
            }
        return thread.hostCall(Int(SYS_shmctl), args.a0, args.a1, Forwarding.checked(args.a2, size))
    }

    static func msgctl(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let size: UInt64 =
            switch UInt32(truncatingIfNeeded: args.a1) {
            case IPC_INFO, 12: 32  // MSG_INFO: struct msginfo
            default: 120  // struct msqid_ds, or nothing
            }
        return thread.hostCall(Int(SYS_msgctl), args.a0, args.a1, Forwarding.checked(args.a2, size))
    }

    /// mq_notify(3): with SIGEV_THREAD the structure names a netlink socket and points to a cookie.
    static func mq_notify(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        if args.a1 == 0 { return thread.hostCall(Int(SYS_mq_notify), args.a0, 0) }
        let event = thread.scratch.at(Scratch.structures)
        guard GuestAccess.tryCopyIn(event, from: args.a1, count: Int(WireStructure.sigevent.size)) else {
            return thread.hostCall(Int(SYS_mq_notify), args.a0, Forwarding.refused(args.a1))
        }
        if event.load(fromByteOffset: 12, as: Int32.self) == SIGEV_THREAD {
            let cookie = event.load(as: UInt64.self)
            let socket = event.load(fromByteOffset: 8, as: UInt32.self)
            event.storeBytes(of: Forwarding.checked(cookie, NOTIFY_COOKIE_LEN), as: UInt64.self)
            event.storeBytes(
                of: UInt32(truncatingIfNeeded: Forwarding.descriptor(UInt64(socket))), toByteOffset: 8, as: UInt32.self)
        }
        return thread.hostCall(Int(SYS_mq_notify), args.a0, event.hostArgument)
    }

    private static let SIGEV_THREAD: Int32 = 2
    private static let NOTIFY_COOKIE_LEN: UInt64 = 32
}
