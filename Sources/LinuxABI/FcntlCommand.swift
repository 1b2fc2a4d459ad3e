/// The commands of fcntl(2).
public enum FcntlCommand: UInt32 {
    case F_DUPFD = 0
    case F_GETFD = 1
    case F_SETFD = 2
    case F_GETFL = 3
    case F_SETFL = 4
    case F_GETLK = 5
    case F_SETLK = 6
    case F_SETLKW = 7
    case F_SETOWN = 8
    case F_GETOWN = 9
    case F_SETSIG = 10
    case F_GETSIG = 11
    case F_SETOWN_EX = 15
    case F_GETOWN_EX = 16
    case F_GETOWNER_UIDS = 17
    case F_OFD_GETLK = 36
    case F_OFD_SETLK = 37
    case F_OFD_SETLKW = 38
    case F_SETLEASE = 1024
    case F_GETLEASE = 1025
    case F_NOTIFY = 1026
    case F_DUPFD_QUERY = 1027
    case F_CREATED_QUERY = 1028
    case F_CANCELLK = 1029
    case F_DUPFD_CLOEXEC = 1030
    case F_SETPIPE_SZ = 1031
    case F_GETPIPE_SZ = 1032
    case F_ADD_SEALS = 1033
    case F_GET_SEALS = 1034
    case F_GET_RW_HINT = 1035
    case F_SET_RW_HINT = 1036
    case F_GET_FILE_RW_HINT = 1037
    case F_SET_FILE_RW_HINT = 1038
}
