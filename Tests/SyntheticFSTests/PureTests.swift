import CShim
import LinuxABI
import Testing

@testable import SyntheticFS

@Test func hashKnownAnswers() {
    #expect(FNV1a.hash(bytes("")) == 0xcbf2_9ce4_8422_2325)
    #expect(FNV1a.hash(bytes("a")) == 0xaf63_dc4c_8601_ec8c)
    #expect(FNV1a.hash(bytes("b")) == 0xaf63_df4c_8601_f1a5)
    #expect(FNV1a.hash(bytes("foobar")) == 0x8594_4171_f739_67e8)
    #expect(FNV1a.hash(bytes("hello")) == 0xa430_d846_80aa_bd0b)
    // In pieces, as directories use it.
    #expect(FNV1a.hash(bytes("bar"), from: FNV1a.hash(bytes("foo"))) == 0x8594_4171_f739_67e8)
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
        7ffff7000000-7ffff7002000 rw-s 00000000 00:01 9                          /memfd:vmrun-session (deleted)
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
    #expect(summary.hidden.map { $0.end - $0.start } == [0x2000, 0x1_0000, 0x2000, 0x2_1000])
    #expect(summary.hidden.map { $0.isShared } == [false, false, true, false])
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

@Test func rollupDividesByKind() {
    let host = """
        00400000-00452000 r-xp 00000000 08:02 173521                             /x
        Pss:                   8 kB
        Pss_Dirty:             2 kB
        Anonymous:             2 kB
        00600000-00601000 rw-p 00000000 00:00 0 
        Pss:                   4 kB
        Pss_Dirty:             4 kB
        Anonymous:             4 kB
        00700000-00701000 rw-s 00000000 00:01 5                                  /dev/zero (deleted)
        Pss:                   3 kB
        Pss_Dirty:             3 kB
        Anonymous:             0 kB
        555555554000-555555556000 r--p 00000000 fe:00 254163                     /usr/bin/vmrun
        Pss:                  16 kB
        Anonymous:             0 kB
        ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
        Pss:                   0 kB
        Anonymous:             0 kB

        """
    #expect(
        text(maps().rollup(bytes(host))) == """
            00400000-00701000 ---p 00000000 00:00 0                                  [rollup]
            Pss:                  15 kB
            Pss_Dirty:             9 kB
            Pss_Anon:              6 kB
            Pss_File:              6 kB
            Pss_Shmem:             3 kB
            Anonymous:             6 kB

            """)
}

@Test func nodesOfTheGuestsMappingsOnly() {
    var record = ProcessRecord()
    record.heapStart = 0x60_0000
    record.heapEnd = 0x60_1000
    let hostMaps = """
        00400000-00452000 r-xp 00000000 08:02 173521                             /root-of-guest/a b
        00600000-00601000 rw-p 00000000 00:00 0 
        555555554000-555555556000 r--p 00000000 fe:00 254163                     /usr/bin/vmrun
        555555560000-555555570000 rw-p 00000000 00:00 0                          [heap]

        """
    let host = """
        00400000 default file=/root-of-guest/a\\040b mapped=4 N0=4 kernelpagesize_kB=4
        00600000 default anon=1 dirty=1 N0=1 kernelpagesize_kB=4
        555555554000 default file=/usr/bin/vmrun mapped=2 N0=2 kernelpagesize_kB=4
        555555560000 default heap anon=3 N0=3 kernelpagesize_kB=4

        """
    #expect(
        text(NUMAMapsText(maps: maps(record)).rewrite(bytes(host), maps: bytes(hostMaps))) == """
            00400000 default file=/a\\040b mapped=4 N0=4 kernelpagesize_kB=4
            00600000 default heap anon=1 dirty=1 N0=1 kernelpagesize_kB=4

            """)
}

@Test func locksOfMembersOnly() {
    let host = """
        1: POSIX  ADVISORY  WRITE 10 fd:00:77 0 EOF
        1: -> POSIX  ADVISORY  READ 11 fd:00:77 0 EOF
        2: FLOCK  ADVISORY  WRITE 12 fd:00:78 0 EOF
        3: FLOCK  ADVISORY  READ 10 00:1b:500 0 EOF
        4: OFDLCK ADVISORY  WRITE -1 fd:00:79 0 EOF
        5: POSIX  ADVISORY  READ 11 fd:00:80 5 9
        broken

        """
    #expect(
        text(LocksText(isMember: { $0 == 10 || $0 == 11 }, own: bytes("00:1b:500")).rewrite(bytes(host))) == """
            1: POSIX  ADVISORY  WRITE 10 fd:00:77 0 EOF
            1: -> POSIX  ADVISORY  READ 11 fd:00:77 0 EOF
            2: POSIX  ADVISORY  READ 11 fd:00:80 5 9

            """)
}

@Test func entriesOfSystemFiles() {
    let entries = SystemEntries(entries: ["stat", "sys/a/b", "sys/net/", "sys/z"])
    for (path, match) in [
        ("stat", SystemEntries.Match.file), ("sys", .directory), ("sys/a", .directory), ("sys/a/b", .file), ("sys/net", .tree),
        ("sys/net/core/x", .tree), ("sys/z", .file),
    ] {
        #expect(entries.find(bytes(path)[...]) == match, "\(path)")
    }
    for path in ["sta", "stats", "sys/ne", "sys/nets", "sys/a/bc", "sys/z/x", "s"] {
        #expect(entries.find(bytes(path)[...]) == nil, "\(path)")
    }
    #expect(entries.names(in: []).map { text($0.name) } == ["stat", "sys"])
    #expect(entries.names(in: bytes("sys")[...]).map { text($0.name) } == ["a", "net", "z"])
    // What lies in one directory stands together, or it would be listed twice.
    for list in [SystemEntries.proc, SystemEntries.sys] {
        for entry in list.entries {
            var directory = [UInt8](entry)[...]
            while let parent = directory.splitLast?.directory {
                let names = list.names(in: parent).map { text($0.name) }
                #expect(Set(names).count == names.count, "\(text(Array(parent)))")
                directory = parent
            }
        }
    }
}

@Test func pathsAreNormalizedByTheirText() {
    for (path, result) in [("/a/../b", "/b"), ("/a/./b/", "/a/b"), ("/../..", ""), ("/sys/x/cpu0/../../node/node0", "/sys/node/node0")] {
        #expect(text(bytes(path).lexicallyNormalized) == result)
    }
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
        record: record, isAsking: false, memory: memory, own: ResidentPages(anonymous: 3, file: 2, shared: 1), threads: { 2 },
        highestDescriptor: { 64 }, blocked: 1, parent: { $0 + 1000 })
    #expect(
        text(status.stat(bytes(host)))
            == "42 (a) R (b) S 1001 2 3 4 5 6 7 8 9 10 11 12 13 14 20 0 2 0 777 65536 16 "
            + "18446744073709551615 101 102 103 0 0 0 1 5 1030 0 0 0 17 0 0 0 0 0 0 104 105 106 107 108 109 110 0\n")
    #expect(text(status.statm(bytes("900 300 50 10 0 20 0\n"))) == "16 16 16 0 0 0 0\n")
    // Without vmrun's own pages.
    #expect(text(status.statm(bytes("900 14 9 10 0 20 0\n"))) == "16 8 6 0 0 0 0\n")
    #expect(text(status.statm(bytes("900 4 2 10 0 20 0\n"))) == "16 0 0 0 0 0 0\n")
    #expect(
        text(status.status(bytes("VmRSS:\t 44 kB\nRssAnon:\t 16 kB\nRssFile:\t 20 kB\nRssShmem:\t 3 kB\n")))
            == "VmRSS:\t      20 kB\nRssAnon:\t       4 kB\nRssFile:\t      12 kB\nRssShmem:\t       0 kB\n")
    #expect(text(status.sched(bytes("a, #threads: 9) (42, #threads: 7)\n---\n"))) == "a, #threads: 9) (42, #threads: 2)\n---\n")
    #expect(text(status.sched(bytes("nothing like it\n"))) == "nothing like it\n")
    let shown = text(status.status(bytes("Name:\tx\nPPid:\t7\nFDSize:\t8192\nVmPeak:\t 200 kB\nVmSize:\t 100 kB\nThreads:\t7\n")))
    #expect(shown == "Name:\tx\nPPid:\t1007\nFDSize:\t128\nVmPeak:\t     164 kB\nVmSize:\t      64 kB\nThreads:\t2\n")
}

@Test func aThreadThatAsksRuns() {
    func shown(isAsking: Bool) -> ProcessStatusText {
        ProcessStatusText(
            record: ProcessRecord(), isAsking: isAsking, memory: MapsText.Summary(),
            own: ResidentPages(anonymous: 0, file: 0, shared: 0), threads: { 1 }, highestDescriptor: { -1 }, blocked: nil,
            parent: { $0 })
    }
    let line = bytes("State:\tS (sleeping)\n")
    #expect(text(shown(isAsking: true).status(line)) == "State:\tR (running)\n")
    #expect(text(shown(isAsking: false).status(line)) == "State:\tS (sleeping)\n")
    #expect(text(shown(isAsking: true).stat(bytes("42 (a) S 1 2\n"))) == "42 (a) R 1 2\n")
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
    #expect(text(view.mountstats(fromMountinfo: bytes(host))).hasPrefix("device /dev/vda mounted on / with fstype ext4\n"))
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
