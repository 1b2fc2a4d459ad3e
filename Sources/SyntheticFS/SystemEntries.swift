/// The files of /proc that belong to no process: the host's own, read only. They are named one by one, so that nothing of
/// the host shows that was not thought about (keys, locks, kernel messages, other processes' sockets).
enum SystemEntries {
    /// Paths below /proc. Directories exist where a path goes through them.
    static let all: [StaticString] = [
        "buddyinfo", "cgroups", "cmdline", "consoles", "cpuinfo", "crypto", "devices", "diskstats", "dma", "execdomains",
        "filesystems", "interrupts", "loadavg", "meminfo", "misc", "partitions", "pressure/cpu", "pressure/io",
        "pressure/irq", "pressure/memory", "schedstat", "softirqs", "stat", "swaps", "sysvipc/msg", "sysvipc/sem",
        "sysvipc/shm", "tty/drivers", "uptime", "version", "vmstat", "zoneinfo",

        "sys/abi/vsyscall32", "sys/debug/exception-trace",
        "sys/fs/aio-max-nr", "sys/fs/aio-nr", "sys/fs/dentry-state", "sys/fs/epoll/max_user_watches", "sys/fs/file-max",
        "sys/fs/file-nr", "sys/fs/inode-nr", "sys/fs/inode-state", "sys/fs/inotify/max_queued_events",
        "sys/fs/inotify/max_user_instances", "sys/fs/inotify/max_user_watches", "sys/fs/lease-break-time",
        "sys/fs/leases-enable", "sys/fs/mount-max", "sys/fs/mqueue/msg_default", "sys/fs/mqueue/msg_max",
        "sys/fs/mqueue/msgsize_default", "sys/fs/mqueue/msgsize_max", "sys/fs/mqueue/queues_max", "sys/fs/nr_open",
        "sys/fs/overflowgid", "sys/fs/overflowuid", "sys/fs/pipe-max-size", "sys/fs/pipe-user-pages-hard",
        "sys/fs/pipe-user-pages-soft", "sys/fs/protected_fifos", "sys/fs/protected_hardlinks",
        "sys/fs/protected_regular", "sys/fs/protected_symlinks", "sys/fs/suid_dumpable",

        "sys/kernel/acct", "sys/kernel/arch", "sys/kernel/auto_msgmni", "sys/kernel/cap_last_cap",
        "sys/kernel/core_pattern", "sys/kernel/core_pipe_limit", "sys/kernel/core_uses_pid",
        "sys/kernel/ctrl-alt-del", "sys/kernel/dmesg_restrict", "sys/kernel/domainname", "sys/kernel/hostname",
        "sys/kernel/io_uring_disabled", "sys/kernel/kptr_restrict", "sys/kernel/max_lock_depth", "sys/kernel/msgmax",
        "sys/kernel/msgmnb", "sys/kernel/msgmni", "sys/kernel/ngroups_max", "sys/kernel/numa_balancing",
        "sys/kernel/osrelease", "sys/kernel/ostype", "sys/kernel/overflowgid", "sys/kernel/overflowuid",
        "sys/kernel/panic", "sys/kernel/panic_on_oops", "sys/kernel/perf_event_max_sample_rate",
        "sys/kernel/perf_event_mlock_kb", "sys/kernel/perf_event_paranoid", "sys/kernel/pid_max",
        "sys/kernel/print-fatal-signals", "sys/kernel/printk", "sys/kernel/pty/max", "sys/kernel/pty/nr",
        "sys/kernel/pty/reserve", "sys/kernel/random/boot_id", "sys/kernel/random/entropy_avail",
        "sys/kernel/random/poolsize", "sys/kernel/random/urandom_min_reseed_secs", "sys/kernel/random/uuid",
        "sys/kernel/random/write_wakeup_threshold", "sys/kernel/randomize_va_space",
        "sys/kernel/sched_autogroup_enabled", "sys/kernel/sched_rr_timeslice_ms", "sys/kernel/sched_rt_period_us",
        "sys/kernel/sched_rt_runtime_us", "sys/kernel/seccomp/actions_avail", "sys/kernel/seccomp/actions_logged",
        "sys/kernel/sem", "sys/kernel/shm_rmid_forced", "sys/kernel/shmall", "sys/kernel/shmmax", "sys/kernel/shmmni",
        "sys/kernel/sysrq", "sys/kernel/tainted", "sys/kernel/threads-max", "sys/kernel/unprivileged_bpf_disabled",
        "sys/kernel/unprivileged_userns_clone", "sys/kernel/version", "sys/kernel/yama/ptrace_scope",

        "sys/net/core/bpf_jit_enable", "sys/net/core/default_qdisc", "sys/net/core/netdev_max_backlog",
        "sys/net/core/optmem_max", "sys/net/core/rmem_default", "sys/net/core/rmem_max", "sys/net/core/somaxconn",
        "sys/net/core/wmem_default", "sys/net/core/wmem_max",
        "sys/net/ipv4/conf/all/forwarding", "sys/net/ipv4/conf/default/forwarding", "sys/net/ipv4/icmp_echo_ignore_all",
        "sys/net/ipv4/ip_default_ttl", "sys/net/ipv4/ip_forward", "sys/net/ipv4/ip_local_port_range",
        "sys/net/ipv4/ip_local_reserved_ports", "sys/net/ipv4/ip_nonlocal_bind",
        "sys/net/ipv4/ip_unprivileged_port_start", "sys/net/ipv4/ping_group_range",
        "sys/net/ipv4/tcp_available_congestion_control", "sys/net/ipv4/tcp_congestion_control", "sys/net/ipv4/tcp_ecn",
        "sys/net/ipv4/tcp_fastopen", "sys/net/ipv4/tcp_fin_timeout", "sys/net/ipv4/tcp_keepalive_intvl",
        "sys/net/ipv4/tcp_keepalive_probes", "sys/net/ipv4/tcp_keepalive_time", "sys/net/ipv4/tcp_max_syn_backlog",
        "sys/net/ipv4/tcp_mem", "sys/net/ipv4/tcp_rmem", "sys/net/ipv4/tcp_sack", "sys/net/ipv4/tcp_syncookies",
        "sys/net/ipv4/tcp_timestamps", "sys/net/ipv4/tcp_tw_reuse", "sys/net/ipv4/tcp_window_scaling",
        "sys/net/ipv4/tcp_wmem", "sys/net/ipv4/udp_mem", "sys/net/ipv4/udp_rmem_min", "sys/net/ipv4/udp_wmem_min",
        "sys/net/ipv6/bindv6only", "sys/net/ipv6/conf/all/disable_ipv6", "sys/net/ipv6/conf/default/disable_ipv6",
        "sys/net/ipv6/conf/lo/disable_ipv6", "sys/net/unix/max_dgram_qlen",

        "sys/vm/admin_reserve_kbytes", "sys/vm/dirty_background_bytes", "sys/vm/dirty_background_ratio",
        "sys/vm/dirty_bytes", "sys/vm/dirty_expire_centisecs", "sys/vm/dirty_ratio", "sys/vm/dirty_writeback_centisecs",
        "sys/vm/hugetlb_shm_group", "sys/vm/laptop_mode", "sys/vm/legacy_va_layout", "sys/vm/lowmem_reserve_ratio",
        "sys/vm/max_map_count", "sys/vm/memfd_noexec", "sys/vm/min_free_kbytes", "sys/vm/mmap_min_addr",
        "sys/vm/mmap_rnd_bits", "sys/vm/mmap_rnd_compat_bits", "sys/vm/nr_hugepages",
        "sys/vm/nr_overcommit_hugepages", "sys/vm/oom_dump_tasks", "sys/vm/oom_kill_allocating_task",
        "sys/vm/overcommit_kbytes", "sys/vm/overcommit_memory", "sys/vm/overcommit_ratio", "sys/vm/page-cluster",
        "sys/vm/panic_on_oom", "sys/vm/stat_interval", "sys/vm/swappiness", "sys/vm/unprivileged_userfaultfd",
        "sys/vm/user_reserve_kbytes", "sys/vm/vfs_cache_pressure", "sys/vm/zone_reclaim_mode",
    ]

    enum Match {
        case file, directory
    }

    /// What a path below /proc is (without a leading slash, not empty).
    static func find(_ path: ArraySlice<UInt8>) -> Match? {
        for entry in all where path.count <= entry.utf8CodeUnitCount && starts(entry, with: path) {
            if path.count == entry.utf8CodeUnitCount { return .file }
            if entry.utf8Start[path.count] == UInt8(ascii: "/") { return .directory }
        }
        return nil
    }

    /// The names in a directory below /proc (empty: /proc itself), each once.
    static func names(in directory: ArraySlice<UInt8>) -> [(name: [UInt8], match: Match)] {
        var names: [(name: [UInt8], match: Match)] = []
        for entry in all where directory.count < entry.utf8CodeUnitCount && starts(entry, with: directory) {
            var rest = [UInt8](entry)[directory.count...]
            if !directory.isEmpty {
                guard rest.first == UInt8(ascii: "/") else { continue }
                rest = rest.dropFirst()
            }
            let name = rest.take(until: UInt8(ascii: "/"))
            let match: Match = rest.isEmpty ? .file : .directory
            // Paths that share a directory stand together.
            if let last = names.last, last.name.elementsEqual(name) { continue }
            names.append((Array(name), match))
        }
        return names
    }

    private static func starts(_ entry: StaticString, with path: ArraySlice<UInt8>) -> Bool {
        var index = 0
        for byte in path {
            if entry.utf8Start[index] != byte { return false }
            index += 1
        }
        return true
    }
}

/// What is in /dev.
enum DeviceEntries {
    enum Content {
        /// The host's node.
        case node
        case link(StaticString)
        /// The host's directory.
        case hostDirectory
        case sharedMemory
    }

    static let all: [(name: StaticString, content: Content)] = [
        ("console", .node), ("fd", .link("/proc/self/fd")), ("full", .node), ("null", .node), ("ptmx", .node),
        ("pts", .hostDirectory), ("random", .node), ("shm", .sharedMemory), ("stderr", .link("/proc/self/fd/2")),
        ("stdin", .link("/proc/self/fd/0")), ("stdout", .link("/proc/self/fd/1")), ("tty", .node),
        ("urandom", .node), ("zero", .node),
    ]

    static func find(_ name: ArraySlice<UInt8>) -> Content? {
        for entry in all where name.equals(entry.name) { return entry.content }
        return nil
    }
}
