import CShim
import LinuxABI
import Testing

@testable import SyntheticFS

@Test func hashKnownAnswers() {
    #expect(FNV1a.hash(bytes("")) == 0xcbf2_9ce4_8422_2325)
    #expect(FNV1a.hash(bytes("a")) == 0xaf63_dc4c_8601_ec8c)
    #expect(FNV1a.hash(bytes("foobar")) == 0x8594_4171_f739_67e8)
    #expect(SyntheticIdentity.inode(bytes("maps"), in: bytes("/proc/7")) == FNV1a.hash(bytes("/proc/7/maps")))
}

@Test func deviceIsMajorZero() {
    #expect(SyntheticIdentity.device == 0x760006d)
}

@Test func numbersAsText() {
    var output: [UInt8] = []
    output.append(decimal: UInt64.max)
    output.append(UInt8(ascii: " "))
    output.append(decimal: 0 as UInt64)
    output.append(UInt8(ascii: " "))
    output.append(hex: 0x1_0000, digits: 8)
    output.append(UInt8(ascii: " "))
    output.append(hex: 0x7fff_1234_5678, digits: 8)
    output.append(UInt8(ascii: " "))
    output.append(hex: 0, digits: 16)
    output.append(decimal: 42 as UInt64, width: 5)
    #expect(text(output) == "18446744073709551615 0 00010000 7fff12345678 0000000000000000   42")
    #expect(bytes("17")[...].decimal == 17)
    for wrong in ["", "017", "-1", "1a", "2147483648", "99999999999"] { #expect(bytes(wrong)[...].decimal == nil) }
}

@Test func recordsFitTheKernelsLayout() {
    let records = DirectoryRecords.pack([
        DirectoryRecords.Entry(name: bytes("."), inode: 1, type: 4),
        DirectoryRecords.Entry(name: bytes("cmdline"), inode: 0x0102_0304_0506_0708, type: 8),
    ])
    #expect(records.count == 24 + 32)
    records.withUnsafeBytes { raw in
        #expect(raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == 24)
        #expect(raw.loadUnaligned(fromByteOffset: 24, as: UInt64.self) == 0x0102_0304_0506_0708)
        #expect(raw.loadUnaligned(fromByteOffset: 32, as: UInt64.self) == 56)
        #expect(raw.loadUnaligned(fromByteOffset: 40, as: UInt16.self) == 32)
        #expect(raw[42] == 8)
        #expect(DirectoryRecords.wholeRecords(in: UnsafeRawBufferPointer(rebasing: raw[..<55])) == 24)
        #expect(DirectoryRecords.wholeRecords(in: UnsafeRawBufferPointer(rebasing: raw[..<20])) == 0)
    }
    var legacy = records
    legacy.withUnsafeMutableBytes { DirectoryRecords.convertToLegacy($0) }
    #expect(text(Array(legacy[42..<49])) == "cmdline")
    #expect(legacy[49] == 0)
    #expect(legacy[55] == 8)
}

private func maps(_ record: ProcessRecord = ProcessRecord()) -> MapsText {
    MapsText(arena: 0x1_0000..<0x5400_0000_0000, record: record) { text in
        text.hasPrefix("/root-of-guest/") ? Array(text.dropFirst(14)) : text
    }
}

@Test func mapsShowTheGuestOnly() {
    var record = ProcessRecord()
    record.heapStart = 0x50_0000
    record.heapEnd = 0x50_8000
    record.stackStart = 0x53ff_0000_0800
    let host = """
        00400000-00452000 r-xp 00000000 08:02 173521                             /root-of-guest/usr/bin/dbus daemon
        00500000-00508000 rw-p 00000000 00:00 0 
        00600000-00601000 rw-p 00000000 00:00 0 
        53ff00000000-53ff00001000 rw-p 00000000 00:00 0 
        555555554000-555555556000 r--p 00000000 fe:00 254163                     /usr/bin/vmrun
        555555560000-555555570000 rw-p 00000000 00:00 0                          [heap]
        7ffff7fc1000-7ffff7fc3000 r-xp 00000000 00:00 0                          [vdso]
        7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]

        """
    let shown = """
        00400000-00452000 r-xp 00000000 08:02 173521                             /usr/bin/dbus daemon
        00500000-00508000 rw-p 00000000 00:00 0                                  [heap]
        00600000-00601000 rw-p 00000000 00:00 0 
        53ff00000000-53ff00001000 rw-p 00000000 00:00 0                          [stack]
        7ffff7fc1000-7ffff7fc3000 r-xp 00000000 00:00 0                          [vdso]

        """
    #expect(text(maps(record).rewrite(bytes(host))) == shown)
    let summary = maps(record).summary(bytes(host))
    #expect(summary.total == 0x52000 + 0x8000 + 0x1000 + 0x1000 + 0x2000)
    #expect(summary.data == 0x9000)
    #expect(summary.stack == 0x1000)
    #expect(summary.executable == 0x54000)
}

@Test func smapsKeepWholeBlocks() {
    let host = """
        00400000-00452000 r-xp 00000000 08:02 173521                             /x
        Rss:                   8 kB
        AnonHugePages:         0 kB
        VmFlags: rd mr 
        555555554000-555555556000 r--p 00000000 fe:00 254163                     /usr/bin/vmrun
        Rss:                  16 kB
        VmFlags: rd 
        00600000-00601000 rw-p 00000000 00:00 0 
        Rss:                   4 kB
        VmFlags: wr 

        """
    let shown = text(maps().rewrite(bytes(host)))
    #expect(!shown.contains("vmrun") && !shown.contains("16 kB") && shown.contains("AnonHugePages:"))
    let rollup = text(maps().rollup(bytes(host)))
    #expect(rollup.hasPrefix("00400000-00601000 ---p 00000000 00:00 0                                  [rollup]\n"))
    #expect(rollup.contains("Rss:                  12 kB\n") && !rollup.contains("VmFlags"))
}

@Test func statCountsFieldsBehindTheName() {
    let host = "42 (a) R (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 20 0 9 0 777 5000000 300 "
        + "18446744073709551615 11 12 13 0 0 0 0 5 6 0 0 0 17 0 0 0 0 0 0 31 32 33 34 35 36 37 0\n"
    var record = ProcessRecord()
    record.codeStart = 101
    record.codeEnd = 102
    record.stackStart = 103
    record.dataStart = 104
    record.dataEnd = 105
    record.heapStart = 106
    record.argStart = 107
    record.argEnd = 108
    record.envStart = 109
    record.envEnd = 110
    record.caughtSignals = 0x400
    var memory = MapsText.Summary()
    memory.total = 0x10000
    let status = ProcessStatusText(
        record: record, memory: memory, threads: 2, highestDescriptor: 64, blocked: 1, parent: { $0 + 1000 })
    #expect(
        text(status.stat(bytes(host)))
            == "42 (a) R (b) S 1001 2 3 4 5 6 7 8 9 10 11 12 13 14 20 0 2 0 777 65536 16 "
            + "18446744073709551615 101 102 103 0 0 0 1 5 1030 0 0 0 17 0 0 0 0 0 0 104 105 106 107 108 109 110 0\n")
    #expect(text(status.statm(bytes("900 300 50 10 0 20 0\n"))) == "16 16 16 0 0 0 0\n")
    let shown = text(status.status(bytes("Name:\tx\nPPid:\t7\nFDSize:\t8192\nVmPeak:\t 200 kB\nVmSize:\t 100 kB\nThreads:\t7\n")))
    #expect(shown == "Name:\tx\nPPid:\t1007\nFDSize:\t128\nVmPeak:\t     164 kB\nVmSize:\t      64 kB\nThreads:\t2\n")
}

@Test func limitsKeepTheirColumns() throws {
    var record = ProcessRecord()
    record.openFilesLimit = 1024
    record.openFilesHardLimit = 524288
    let host = "Limit                     Soft Limit           Hard Limit           Units     \n"
        + "Max open files            20000                20000                files     \n"
    #expect(
        text(ProcessStatusText.limits(bytes(host), record: record))
            == "Limit                     Soft Limit           Hard Limit           Units     \n"
            + "Max open files            1024                 524288               files     \n")
}

@Test func mountsAreThoseOfTheView() {
    let host = """
        22 27 0:21 / /proc rw,relatime - proc proc rw
        24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12334492k,mode=755
        25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw
        27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
        40 27 254:1 / /opt/rootfs/var\\040lib rw,noatime master:1 - xfs /dev/vdb ro,attr2
        41 27 254:2 / /srv rw - ext4 /dev/vdc rw

        """
    let view = MountsText(
        configuration: SyntheticConfiguration(
            root: bytes("/opt/rootfs"),
            binds: [SyntheticConfiguration.Bind(host: bytes("/srv/data"), guest: bytes("/mnt"), readOnly: true)],
            arena: 0..<1))
    #expect(
        text(view.mounts(fromMountinfo: bytes(host))) == """
            /dev/vda / ext4 rw,relatime,discard 0 0
            /dev/vdb /var\\040lib xfs ro,noatime,attr2 0 0
            /dev/vdc /mnt ext4 ro 0 0
            proc /proc proc rw,relatime 0 0
            devtmpfs /dev devtmpfs rw,relatime,size=12334492k,mode=755 0 0
            tmpfs /dev/shm tmpfs rw,relatime 0 0

            """)
    #expect(
        text(view.mountinfo(bytes(host))) == """
            27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
            40 27 254:1 / /var\\040lib rw,noatime - xfs /dev/vdb ro,attr2
            41 27 254:2 /data /mnt ro - ext4 /dev/vdc rw
            22 27 0:30317 / /proc rw,relatime - proc proc rw
            24 27 0:30317 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12334492k,mode=755
            25 24 0:30317 / /dev/shm rw,relatime - tmpfs tmpfs rw

            """)
}

@Test func memfdNamesCannotPassForSynthetic() {
    #expect(SyntheticName.path(ofLinkText: bytes("/memfd:vmrun:/proc/1/fd/ (deleted)")) == bytes("/proc/1/fd"))
    #expect(SyntheticName.path(ofLinkText: bytes("/memfd:x (deleted)")) == nil)
    #expect(SyntheticName.path(ofLinkText: bytes("/memfd:vmrun:x (deleted)")) == nil)
    for (name, kept) in [("vmrun:/proc/1/maps", "_mrun:/proc/1/maps"), ("shm", "shm"), ("vmrun", "vmrun")] {
        var buffer = bytes(name).map { CChar(bitPattern: $0) } + [0]
        buffer.withUnsafeMutableBufferPointer { SyntheticFileSystem.sanitize(memfdName: $0) }
        #expect(text(buffer.dropLast().map { UInt8(bitPattern: $0) }) == kept)
    }
}
