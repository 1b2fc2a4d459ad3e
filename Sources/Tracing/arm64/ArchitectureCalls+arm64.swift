#if arch(arm64)
import LinuxABI

/// What differs between the architectures in how calls are to be read.
enum ArchitectureCalls {
    /// Of open(2).
    static var openFlags: Names {
        Names(
            "! 3 O_RDONLY 0 O_WRONLY 1 O_RDWR 2 O_ACCMODE 3 ! 0 O_TMPFILE 404000 O_CREAT 40 O_EXCL 80 O_NOCTTY 100 O_TRUNC 200 O_APPEND 400 O_NONBLOCK 800 O_SYNC 101000 O_DSYNC 1000 O_DIRECT 10000 O_LARGEFILE 20000 O_NOFOLLOW 8000 O_NOATIME 40000 O_CLOEXEC 80000 O_PATH 200000 O_DIRECTORY 4000 FASYNC 2000")
    }

    /// Offsets of st_mode and st_rdev in struct stat.
    static let statusMode = 16
    static let statusDevice = 32

    /// The last two arguments of clone(2).
    static func cloneTail(_ arguments: SyscallArguments) -> (tls: UInt64, child: UInt64) { (arguments.a3, arguments.a4) }
}
#endif
