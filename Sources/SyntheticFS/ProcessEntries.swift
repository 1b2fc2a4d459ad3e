/// What is in /proc/PID and /proc/PID/task/TID, in the kernel's order (fs/proc/base.c).
struct ProcessEntry {
    enum Content {
        /// The host's file of the same process, read only.
        case host
        /// The same, where the guest's writes reach the host's file.
        case hostWritable
        case generated(ProcessFile)
        case taskDirectory
        case descriptorDirectory
        case descriptorInfoDirectory
        case networkDirectory
        case executable
        case workingDirectory
        case root
    }

    enum Place {
        case everywhere, processOnly, threadOnly
    }

    let name: StaticString
    let content: Content
    let place: Place

    private init(_ name: StaticString, _ content: Content, _ place: Place = .everywhere) {
        self.name = name
        self.content = content
        self.place = place
    }

    /// Not here, because they would show or change vmrun itself: map_files, mem, ns, pagemap, clear_refs, stack, syscall,
    /// numa_maps, mountstats, attr.
    static let all: [ProcessEntry] = [
        ProcessEntry("task", .taskDirectory, .processOnly),
        ProcessEntry("fd", .descriptorDirectory),
        ProcessEntry("fdinfo", .descriptorInfoDirectory),
        ProcessEntry("net", .networkDirectory),
        ProcessEntry("environ", .generated(.environ)),
        ProcessEntry("auxv", .generated(.auxv)),
        ProcessEntry("status", .generated(.status)),
        ProcessEntry("personality", .host),
        ProcessEntry("limits", .generated(.limits)),
        ProcessEntry("sched", .host),
        ProcessEntry("autogroup", .host, .processOnly),
        ProcessEntry("timens_offsets", .host, .processOnly),
        ProcessEntry("comm", .hostWritable),
        ProcessEntry("cmdline", .generated(.cmdline)),
        ProcessEntry("stat", .generated(.stat)),
        ProcessEntry("statm", .generated(.statm)),
        ProcessEntry("maps", .generated(.maps)),
        ProcessEntry("children", .generated(.children), .threadOnly),
        ProcessEntry("cwd", .workingDirectory),
        ProcessEntry("root", .root),
        ProcessEntry("exe", .executable),
        ProcessEntry("mounts", .generated(.mounts)),
        ProcessEntry("mountinfo", .generated(.mountinfo)),
        ProcessEntry("smaps", .generated(.smaps)),
        ProcessEntry("smaps_rollup", .generated(.smapsRollup)),
        ProcessEntry("wchan", .host),
        ProcessEntry("schedstat", .host),
        ProcessEntry("cpuset", .host),
        ProcessEntry("cgroup", .host),
        ProcessEntry("oom_score", .host),
        ProcessEntry("oom_adj", .hostWritable),
        ProcessEntry("oom_score_adj", .hostWritable),
        ProcessEntry("loginuid", .host),
        ProcessEntry("sessionid", .host),
        ProcessEntry("coredump_filter", .hostWritable, .processOnly),
        ProcessEntry("io", .host),
        ProcessEntry("uid_map", .host),
        ProcessEntry("gid_map", .host),
        ProcessEntry("projid_map", .host),
        ProcessEntry("setgroups", .host, .processOnly),
        ProcessEntry("timers", .host, .processOnly),
        ProcessEntry("timerslack_ns", .hostWritable, .processOnly),
        ProcessEntry("arch_status", .host),
    ]

    static func find(_ name: ArraySlice<UInt8>, inThread: Bool) -> ProcessEntry? {
        for entry in all where entry.isShown(inThread: inThread) && name.equals(entry.name) { return entry }
        return nil
    }

    func isShown(inThread: Bool) -> Bool {
        switch place {
        case .everywhere: true
        case .processOnly: !inThread
        case .threadOnly: inThread
        }
    }

    /// Files of /proc/PID/net. Only counters, addresses and sockets without host paths; `unix` is filtered.
    static let network: [StaticString] = [
        "arp", "dev", "dev_mcast", "fib_trie", "icmp", "icmp6", "if_inet6", "igmp", "igmp6", "ipv6_route", "netlink",
        "netstat", "packet", "protocols", "psched", "ptype", "raw", "raw6", "route", "rt6_stats", "rt_cache", "snmp",
        "snmp6", "sockstat", "sockstat6", "softnet_stat", "tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "unix",
    ]
}

/// The files of a process that are written from the host's own and from what the process published.
enum ProcessFile: UInt8 {
    case auxv, children, cmdline, environ, limits, maps, mountinfo, mounts, smaps, smapsRollup, stat, statm, status
}
