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
        case namespaceDirectory
        case mappedFileDirectory
        /// The host's directory, of which everything shows that every user may read.
        case tree
        case addressed(AddressedFile)
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

    /// Not here: stack and syscall, which would show where vmrun's own threads wait in the host kernel.
    static let all: [ProcessEntry] = [
        ProcessEntry("task", .taskDirectory, .processOnly),
        ProcessEntry("fd", .descriptorDirectory),
        ProcessEntry("fdinfo", .descriptorInfoDirectory),
        ProcessEntry("map_files", .mappedFileDirectory, .processOnly),
        ProcessEntry("ns", .namespaceDirectory),
        ProcessEntry("net", .tree),
        ProcessEntry("environ", .generated(.environ)),
        ProcessEntry("auxv", .generated(.auxv)),
        ProcessEntry("status", .generated(.status)),
        ProcessEntry("personality", .host),
        ProcessEntry("limits", .generated(.limits)),
        ProcessEntry("sched", .generated(.sched)),
        ProcessEntry("autogroup", .host, .processOnly),
        ProcessEntry("timens_offsets", .host, .processOnly),
        ProcessEntry("comm", .hostWritable),
        ProcessEntry("cmdline", .generated(.cmdline)),
        ProcessEntry("stat", .generated(.stat)),
        ProcessEntry("statm", .generated(.statm)),
        ProcessEntry("maps", .generated(.maps)),
        ProcessEntry("numa_maps", .generated(.numaMaps)),
        ProcessEntry("mem", .addressed(.memory)),
        ProcessEntry("children", .generated(.children), .threadOnly),
        ProcessEntry("cwd", .workingDirectory),
        ProcessEntry("root", .root),
        ProcessEntry("exe", .executable),
        ProcessEntry("mounts", .generated(.mounts)),
        ProcessEntry("mountinfo", .generated(.mountinfo)),
        ProcessEntry("mountstats", .generated(.mountstats), .processOnly),
        ProcessEntry("clear_refs", .hostWritable),
        ProcessEntry("smaps", .generated(.smaps)),
        ProcessEntry("smaps_rollup", .generated(.smapsRollup)),
        ProcessEntry("pagemap", .addressed(.pageMap)),
        ProcessEntry("attr", .tree),
        ProcessEntry("wchan", .host),
        ProcessEntry("schedstat", .host),
        ProcessEntry("cpuset", .host),
        ProcessEntry("cgroup", .host),
        ProcessEntry("oom_score", .host),
        ProcessEntry("oom_adj", .hostWritable),
        ProcessEntry("oom_score_adj", .hostWritable),
        ProcessEntry("loginuid", .host),
        ProcessEntry("sessionid", .host),
        ProcessEntry("coredump_filter", .generated(.coredumpFilter), .processOnly),
        ProcessEntry("io", .host),
        ProcessEntry("uid_map", .host),
        ProcessEntry("gid_map", .host),
        ProcessEntry("projid_map", .host),
        ProcessEntry("setgroups", .host),
        ProcessEntry("timers", .host, .processOnly),
        ProcessEntry("timerslack_ns", .hostWritable, .processOnly),
        ProcessEntry("arch_status", .host),
        ProcessEntry("ksm_merging_pages", .host),
        ProcessEntry("ksm_stat", .host),
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
}

/// The files of a process that are written from the host's own and from what the process published.
enum ProcessFile: UInt8 {
    case auxv, children, cmdline, coredumpFilter, environ, limits, maps, mountinfo, mounts, mountstats, numaMaps, sched
    case smaps, smapsRollup, stat, statm, status

    /// Whether it is read from the address space that was there when it was opened, which is empty when the process is gone.
    var keepsAddressSpace: Bool { self == .auxv || self == .environ }
}
