/// The ioctl(2) commands that a guest may use. A command that is not here is not passed to any driver.
public enum IoctlCommand: UInt32, CaseIterable {
    // Terminals: ioctl_tty(2).
    case TCGETS = 0x5401
    case TCSETS = 0x5402
    case TCSETSW = 0x5403
    case TCSETSF = 0x5404
    case TCGETA = 0x5405
    case TCSETA = 0x5406
    case TCSETAW = 0x5407
    case TCSETAF = 0x5408
    case TCSBRK = 0x5409
    case TCXONC = 0x540a
    case TCFLSH = 0x540b
    case TIOCEXCL = 0x540c
    case TIOCNXCL = 0x540d
    case TIOCSCTTY = 0x540e
    case TIOCGPGRP = 0x540f
    case TIOCSPGRP = 0x5410
    case TIOCOUTQ = 0x5411
    case TIOCSTI = 0x5412
    case TIOCGWINSZ = 0x5413
    case TIOCSWINSZ = 0x5414
    case TIOCMGET = 0x5415
    case TIOCMBIS = 0x5416
    case TIOCMBIC = 0x5417
    case TIOCMSET = 0x5418
    case TIOCGSOFTCAR = 0x5419
    case TIOCSSOFTCAR = 0x541a
    case FIONREAD = 0x541b
    case TIOCLINUX = 0x541c
    case TIOCCONS = 0x541d
    case TIOCGSERIAL = 0x541e
    case TIOCPKT = 0x5420
    case FIONBIO = 0x5421
    case TIOCNOTTY = 0x5422
    case TIOCSETD = 0x5423
    case TIOCGETD = 0x5424
    case TCSBRKP = 0x5425
    case TIOCSBRK = 0x5427
    case TIOCCBRK = 0x5428
    case TIOCGSID = 0x5429
    case TCGETS2 = 0x802c_542a
    case TCSETS2 = 0x402c_542b
    case TCSETSW2 = 0x402c_542c
    case TCSETSF2 = 0x402c_542d
    case TIOCGPTN = 0x8004_5430
    case TIOCSPTLCK = 0x4004_5431
    case TIOCGDEV = 0x8004_5432
    case TIOCSIG = 0x4004_5436
    case TIOCVHANGUP = 0x5437
    case TIOCGPKT = 0x8004_5438
    case TIOCGPTLCK = 0x8004_5439
    case TIOCGEXCL = 0x8004_5440
    case TIOCGPTPEER = 0x5441
    case FIONCLEX = 0x5450
    case FIOCLEX = 0x5451
    case FIOASYNC = 0x5452
    case TIOCGLCKTRMIOS = 0x5456
    case TIOCSLCKTRMIOS = 0x5457
    case TIOCMIWAIT = 0x545c
    case TIOCGICOUNT = 0x545d
    case FIOQSIZE = 0x5460

    // Sockets and network devices: socket(7), netdevice(7).
    case FIOSETOWN = 0x8901
    case SIOCSPGRP = 0x8902
    case FIOGETOWN = 0x8903
    case SIOCGPGRP = 0x8904
    case SIOCATMARK = 0x8905
    case SIOCGSTAMP_OLD = 0x8906
    case SIOCGSTAMPNS_OLD = 0x8907
    case SIOCGSTAMP_NEW = 0x8010_8906
    case SIOCGSTAMPNS_NEW = 0x8010_8907
    case SIOCGIFNAME = 0x8910
    case SIOCGIFCONF = 0x8912
    case SIOCGIFFLAGS = 0x8913
    case SIOCSIFFLAGS = 0x8914
    case SIOCGIFADDR = 0x8915
    case SIOCSIFADDR = 0x8916
    case SIOCGIFDSTADDR = 0x8917
    case SIOCGIFBRDADDR = 0x8919
    case SIOCGIFNETMASK = 0x891b
    case SIOCSIFNETMASK = 0x891c
    case SIOCGIFMETRIC = 0x891d
    case SIOCGIFMTU = 0x8921
    case SIOCSIFMTU = 0x8922
    case SIOCGIFHWADDR = 0x8927
    case SIOCGIFINDEX = 0x8933
    case SIOCGIFPFLAGS = 0x8935
    case SIOCGIFTXQLEN = 0x8942
    case SIOCETHTOOL = 0x8946
    case SIOCOUTQNSD = 0x894b
    case SIOCGSKNS = 0x894c
    case SIOCGARP = 0x8954
    case SIOCGIFMAP = 0x8970

    // Files and file systems.
    case FIBMAP = 1
    case FIGETBSZ = 2
    case FS_IOC_GETFLAGS = 0x8008_6601
    case FS_IOC_SETFLAGS = 0x4008_6602
    case FS_IOC_GETVERSION = 0x8008_7601
    case FS_IOC_FSGETXATTR = 0x801c_581f
    case FS_IOC_FSSETXATTR = 0x401c_5820
    case FS_IOC_GETFSLABEL = 0x8100_9431
    case FS_IOC_GETFSUUID = 0x8011_1500
    case FS_IOC_GETFSSYSFSPATH = 0x8081_1501
    case FS_IOC_FIEMAP = 0xc020_660b
    case FICLONE = 0x4004_9409
    case FICLONERANGE = 0x4020_940d
    case FIDEDUPERANGE = 0xc018_9436
    case FIFREEZE = 0xc004_5877
    case FITHAW = 0xc004_5878
    case FITRIM = 0xc018_5879

    // Namespaces, ioctl_nsfs(2).
    case NS_GET_USERNS = 0xb701
    case NS_GET_PARENT = 0xb702
    case NS_GET_NSTYPE = 0xb703
    case NS_GET_OWNER_UID = 0xb704

    // Block devices, random numbers, epoll, timers.
    case HDIO_GETGEO = 0x0301
    case BLKROGET = 0x125e
    case BLKGETSIZE = 0x1260
    case BLKRAGET = 0x1263
    case BLKSSZGET = 0x1268
    case BLKBSZGET = 0x8008_1270
    case BLKGETSIZE64 = 0x8008_1272
    case BLKIOMIN = 0x1278
    case BLKIOOPT = 0x1279
    case BLKALIGNOFF = 0x127a
    case BLKPBSZGET = 0x127b
    case BLKDISCARDZEROES = 0x127c
    case BLKROTATIONAL = 0x127e
    case BLKGETDISKSEQ = 0x8008_1280
    case RNDGETENTCNT = 0x8004_5200
    case RNDADDTOENTCNT = 0x4004_5201
    case RNDADDENTROPY = 0x4008_5203
    case RNDZAPENTCNT = 0x5204
    case RNDCLEARPOOL = 0x5206
    case RNDRESEEDCRNG = 0x5207
    case EPIOCSPARAMS = 0x4008_8a01
    case EPIOCGPARAMS = 0x8008_8a02
    case TFD_IOC_SET_TICKS = 0x4008_5400
}

/// What the third argument of an ioctl(2) command is.
public enum IoctlArgument: Equatable {
    /// None, or a number.
    case value
    /// A plain structure of so many bytes, read or written by the kernel, without pointers in it.
    case structure(UInt16)
    /// As `structure`, for a command that changes the file whichever way it was opened: EROFS below a read-only bind.
    case changingStructure(UInt16)
    /// A descriptor of the guest's.
    case descriptor
    /// struct file_clone_range, with a descriptor in it.
    case cloneRange
    /// struct file_dedupe_range, with an array of descriptors and ranges behind it.
    case dedupeRange
    /// struct ifconf, with a pointer in it.
    case interfaceList
    /// A pid or a negative process group behind a pointer.
    case owner
    /// Flags; the result is a new descriptor.
    case newDescriptor
    /// Never passed on; the errno.
    case refused(GuestErrno)
}

extension IoctlCommand {
    /// Whether it asks for network devices: any socket takes it.
    public var isOfNetworkDevices: Bool {
        switch self {
        case .SIOCGIFNAME, .SIOCGIFCONF, .SIOCGIFFLAGS, .SIOCSIFFLAGS, .SIOCGIFADDR, .SIOCSIFADDR, .SIOCGIFDSTADDR, .SIOCGIFBRDADDR,
            .SIOCGIFNETMASK, .SIOCSIFNETMASK, .SIOCGIFMETRIC, .SIOCGIFMTU, .SIOCSIFMTU, .SIOCGIFHWADDR, .SIOCGIFINDEX, .SIOCGIFPFLAGS,
            .SIOCGIFTXQLEN, .SIOCETHTOOL, .SIOCGSKNS, .SIOCGARP, .SIOCGIFMAP:
            true
        default: false
        }
    }

    /// What the command's argument is, and so how it is checked.
    public var argument: IoctlArgument {
        switch self {
        case .TCSBRK, .TCXONC, .TCFLSH, .TIOCEXCL, .TIOCNXCL, .TIOCSCTTY, .TIOCNOTTY, .TCSBRKP, .TIOCSBRK, .TIOCCBRK,
            .TIOCSIG, .FIONCLEX, .FIOCLEX, .TIOCMIWAIT:
            .value

        case .TCGETS, .TCSETS, .TCSETSW, .TCSETSF, .TIOCGLCKTRMIOS, .TIOCSLCKTRMIOS: .structure(36)
        case .TCGETS2, .TCSETS2, .TCSETSW2, .TCSETSF2: .structure(44)
        case .TCGETA, .TCSETA, .TCSETAW, .TCSETAF: .structure(18)
        case .TIOCGWINSZ, .TIOCSWINSZ: .structure(8)
        case .TIOCGPGRP, .TIOCSPGRP, .TIOCOUTQ, .TIOCMGET, .TIOCMBIS, .TIOCMBIC, .TIOCMSET, .TIOCGSOFTCAR, .TIOCSSOFTCAR,
            .FIONREAD, .TIOCPKT, .FIONBIO, .TIOCSETD, .TIOCGETD, .TIOCGSID, .TIOCGPTN, .TIOCSPTLCK, .TIOCGDEV, .TIOCGPKT,
            .TIOCGPTLCK, .TIOCGEXCL, .FIOASYNC:
            .structure(4)
        case .TIOCGSERIAL: .structure(72)
        case .TIOCGICOUNT: .structure(80)
        case .TIOCGPTPEER: .newDescriptor
        // Typing into a terminal that the guest shares with the shell that started vmrun.
        case .TIOCSTI: .refused(.EIO)
        // The host's consoles.
        case .TIOCLINUX: .refused(.ENOTTY)
        case .TIOCCONS, .TIOCVHANGUP: .refused(.EPERM)

        case .FIOSETOWN, .SIOCSPGRP: .owner
        case .FIOGETOWN, .SIOCGPGRP, .SIOCATMARK, .SIOCOUTQNSD: .structure(4)
        case .SIOCGARP: .structure(68)
        case .SIOCGSTAMP_OLD, .SIOCGSTAMPNS_OLD, .SIOCGSTAMP_NEW, .SIOCGSTAMPNS_NEW: .structure(16)
        case .SIOCGIFCONF: .interfaceList
        case .SIOCGIFNAME, .SIOCGIFFLAGS, .SIOCGIFADDR, .SIOCGIFDSTADDR, .SIOCGIFBRDADDR, .SIOCGIFNETMASK, .SIOCGIFMETRIC,
            .SIOCGIFMTU, .SIOCGIFHWADDR, .SIOCGIFINDEX, .SIOCGIFPFLAGS, .SIOCGIFTXQLEN, .SIOCGIFMAP:
            .structure(40)
        // The host's network devices.
        case .SIOCSIFFLAGS, .SIOCSIFADDR, .SIOCSIFNETMASK, .SIOCSIFMTU, .SIOCGSKNS: .refused(.EPERM)
        // A structure behind a pointer behind a pointer.
        case .SIOCETHTOOL: .refused(.EOPNOTSUPP)

        case .FIBMAP, .FIGETBSZ, .FS_IOC_GETFLAGS, .FS_IOC_GETVERSION: .structure(4)
        case .FS_IOC_SETFLAGS: .changingStructure(4)
        case .FIOQSIZE: .structure(8)
        case .FS_IOC_FSGETXATTR: .structure(28)
        case .FS_IOC_FSSETXATTR: .changingStructure(28)
        case .FS_IOC_GETFSLABEL: .structure(256)
        case .FS_IOC_GETFSUUID: .structure(17)
        case .FS_IOC_GETFSSYSFSPATH: .structure(129)
        // The extents behind it are written upward from here.
        case .FS_IOC_FIEMAP: .structure(32)
        case .FICLONE: .descriptor
        case .FICLONERANGE: .cloneRange
        case .FIDEDUPERANGE: .dedupeRange
        // Whole host file systems.
        case .FIFREEZE, .FITHAW, .FITRIM: .refused(.EPERM)

        // setns(2) is refused, so that such a descriptor can only be looked at.
        case .NS_GET_USERNS, .NS_GET_PARENT: .newDescriptor
        case .NS_GET_NSTYPE: .value
        case .NS_GET_OWNER_UID: .structure(4)

        case .HDIO_GETGEO: .structure(16)
        case .BLKGETSIZE, .BLKRAGET, .BLKGETSIZE64, .BLKGETDISKSEQ, .TFD_IOC_SET_TICKS, .EPIOCSPARAMS, .EPIOCGPARAMS:
            .structure(8)
        case .BLKROGET, .BLKSSZGET, .BLKBSZGET, .BLKIOMIN, .BLKIOOPT, .BLKALIGNOFF, .BLKPBSZGET, .BLKDISCARDZEROES,
            .RNDGETENTCNT:
            .structure(4)
        case .BLKROTATIONAL: .structure(2)
        // The host's entropy.
        case .RNDADDTOENTCNT, .RNDADDENTROPY, .RNDZAPENTCNT, .RNDCLEARPOOL, .RNDRESEEDCRNG: .refused(.EPERM)
        }
    }
}
