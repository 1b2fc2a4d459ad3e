/// The objects of a file system that belong to no process: the host's own, read only. They are named one by one, so that
/// nothing of the host shows that was not thought about (keys, kernel messages and addresses, other processes' sockets).
struct SystemEntries {
    /// Paths below the mount point, sorted. Directories exist where a path goes through them. With a slash at the end it is a
    /// tree: a directory of which everything shows that every user may read.
    let entries: [StaticString]

    static let proc = SystemEntries(entries: [
        "buddyinfo", "cgroups", "cmdline", "config.gz", "consoles", "cpuinfo", "crypto", "devices", "diskstats",
        "dma", "execdomains", "fb", "filesystems", "interrupts", "loadavg", "locks", "mdstat", "meminfo", "misc",
        "pagetypeinfo", "partitions", "pressure/cpu", "pressure/io", "pressure/irq", "pressure/memory", "schedstat",
        "slabinfo", "softirqs", "stat", "swaps",

        "sys/abi/vsyscall32",

        "sys/debug/exception-trace",

        "sys/dev/tty/ldisc_autoload", "sys/dev/tty/legacy_tiocsti",

        "sys/fs/aio-max-nr", "sys/fs/aio-nr", "sys/fs/dentry-negative", "sys/fs/dentry-state",
        "sys/fs/dir-notify-enable", "sys/fs/epoll/max_user_watches", "sys/fs/fanotify/max_queued_events",
        "sys/fs/fanotify/max_user_groups", "sys/fs/fanotify/max_user_marks", "sys/fs/file-max", "sys/fs/file-nr",
        "sys/fs/inode-nr", "sys/fs/inode-state", "sys/fs/inotify/max_queued_events",
        "sys/fs/inotify/max_user_instances", "sys/fs/inotify/max_user_watches", "sys/fs/lease-break-time",
        "sys/fs/leases-enable", "sys/fs/mount-max", "sys/fs/mqueue/msg_default", "sys/fs/mqueue/msg_max",
        "sys/fs/mqueue/msgsize_default", "sys/fs/mqueue/msgsize_max", "sys/fs/mqueue/queues_max", "sys/fs/nr_open",
        "sys/fs/overflowgid", "sys/fs/overflowuid", "sys/fs/pipe-max-size", "sys/fs/pipe-user-pages-hard",
        "sys/fs/pipe-user-pages-soft", "sys/fs/protected_fifos", "sys/fs/protected_hardlinks",
        "sys/fs/protected_regular", "sys/fs/protected_symlinks", "sys/fs/suid_dumpable",

        "sys/kernel/acct", "sys/kernel/apparmor_restrict_unprivileged_userns", "sys/kernel/arch",
        "sys/kernel/auto_msgmni", "sys/kernel/bpf_stats_enabled", "sys/kernel/cap_last_cap",
        "sys/kernel/core_file_note_size_limit", "sys/kernel/core_modes", "sys/kernel/core_pattern",
        "sys/kernel/core_pipe_limit", "sys/kernel/core_sort_vma", "sys/kernel/core_uses_pid",
        "sys/kernel/ctrl-alt-del", "sys/kernel/dmesg_restrict", "sys/kernel/domainname", "sys/kernel/hostname",
        "sys/kernel/hung_task_check_count", "sys/kernel/hung_task_panic", "sys/kernel/hung_task_timeout_secs",
        "sys/kernel/hung_task_warnings", "sys/kernel/io_uring_disabled", "sys/kernel/io_uring_group",
        "sys/kernel/keys/gc_delay", "sys/kernel/keys/maxbytes", "sys/kernel/keys/maxkeys",
        "sys/kernel/keys/persistent_keyring_expiry", "sys/kernel/keys/root_maxbytes", "sys/kernel/keys/root_maxkeys",
        "sys/kernel/kptr_restrict", "sys/kernel/max_lock_depth", "sys/kernel/msg_next_id", "sys/kernel/msgmax",
        "sys/kernel/msgmnb", "sys/kernel/msgmni", "sys/kernel/ngroups_max", "sys/kernel/nmi_watchdog",
        "sys/kernel/numa_balancing", "sys/kernel/osrelease", "sys/kernel/ostype", "sys/kernel/overflowgid",
        "sys/kernel/overflowuid", "sys/kernel/panic", "sys/kernel/panic_on_oops", "sys/kernel/panic_on_rcu_stall",
        "sys/kernel/panic_on_unrecovered_nmi", "sys/kernel/panic_on_warn", "sys/kernel/perf_cpu_time_max_percent",
        "sys/kernel/perf_event_max_contexts_per_stack", "sys/kernel/perf_event_max_sample_rate",
        "sys/kernel/perf_event_max_stack", "sys/kernel/perf_event_mlock_kb", "sys/kernel/perf_event_paranoid",
        "sys/kernel/pid_max", "sys/kernel/print-fatal-signals", "sys/kernel/printk", "sys/kernel/printk_delay",
        "sys/kernel/printk_devkmsg", "sys/kernel/printk_ratelimit", "sys/kernel/printk_ratelimit_burst",
        "sys/kernel/pty/max", "sys/kernel/pty/nr", "sys/kernel/pty/reserve", "sys/kernel/random/boot_id",
        "sys/kernel/random/entropy_avail", "sys/kernel/random/poolsize", "sys/kernel/random/urandom_min_reseed_secs",
        "sys/kernel/random/uuid", "sys/kernel/random/write_wakeup_threshold", "sys/kernel/randomize_va_space",
        "sys/kernel/sched_autogroup_enabled", "sys/kernel/sched_cfs_bandwidth_slice_us",
        "sys/kernel/sched_child_runs_first", "sys/kernel/sched_deadline_period_max_us",
        "sys/kernel/sched_deadline_period_min_us", "sys/kernel/sched_energy_aware",
        "sys/kernel/sched_rr_timeslice_ms", "sys/kernel/sched_rt_period_us", "sys/kernel/sched_rt_runtime_us",
        "sys/kernel/sched_schedstats", "sys/kernel/sched_util_clamp_max", "sys/kernel/sched_util_clamp_min",
        "sys/kernel/seccomp/actions_avail", "sys/kernel/seccomp/actions_logged", "sys/kernel/sem",
        "sys/kernel/sem_next_id", "sys/kernel/shm_next_id", "sys/kernel/shm_rmid_forced", "sys/kernel/shmall",
        "sys/kernel/shmmax", "sys/kernel/shmmni", "sys/kernel/soft_watchdog", "sys/kernel/softlockup_panic",
        "sys/kernel/split_lock_mitigate", "sys/kernel/stack_tracer_enabled", "sys/kernel/sysctl_writes_strict",
        "sys/kernel/sysrq", "sys/kernel/tainted", "sys/kernel/task_delayacct", "sys/kernel/threads-max",
        "sys/kernel/timer_migration", "sys/kernel/unprivileged_bpf_disabled", "sys/kernel/unprivileged_userns_clone",
        "sys/kernel/version", "sys/kernel/watchdog", "sys/kernel/watchdog_cpumask", "sys/kernel/watchdog_thresh",
        "sys/kernel/yama/ptrace_scope",

        "sys/net/",

        "sys/user/max_cgroup_namespaces", "sys/user/max_fanotify_groups", "sys/user/max_fanotify_marks",
        "sys/user/max_inotify_instances", "sys/user/max_inotify_watches", "sys/user/max_ipc_namespaces",
        "sys/user/max_mnt_namespaces", "sys/user/max_net_namespaces", "sys/user/max_pid_namespaces",
        "sys/user/max_time_namespaces", "sys/user/max_user_namespaces", "sys/user/max_uts_namespaces",

        "sys/vm/admin_reserve_kbytes", "sys/vm/compact_unevictable_allowed", "sys/vm/compaction_proactiveness",
        "sys/vm/defrag_mode", "sys/vm/dirty_background_bytes", "sys/vm/dirty_background_ratio", "sys/vm/dirty_bytes",
        "sys/vm/dirty_expire_centisecs", "sys/vm/dirty_ratio", "sys/vm/dirty_writeback_centisecs",
        "sys/vm/dirtytime_expire_seconds", "sys/vm/enable_soft_offline", "sys/vm/extfrag_threshold",
        "sys/vm/hugetlb_optimize_vmemmap", "sys/vm/hugetlb_shm_group", "sys/vm/laptop_mode",
        "sys/vm/legacy_va_layout", "sys/vm/lowmem_reserve_ratio", "sys/vm/max_map_count", "sys/vm/memfd_noexec",
        "sys/vm/memory_failure_early_kill", "sys/vm/memory_failure_recovery", "sys/vm/min_free_kbytes",
        "sys/vm/min_slab_ratio", "sys/vm/min_unmapped_ratio", "sys/vm/mmap_min_addr", "sys/vm/mmap_rnd_bits",
        "sys/vm/mmap_rnd_compat_bits", "sys/vm/nr_hugepages", "sys/vm/nr_hugepages_mempolicy",
        "sys/vm/nr_overcommit_hugepages", "sys/vm/numa_stat", "sys/vm/numa_zonelist_order", "sys/vm/oom_dump_tasks",
        "sys/vm/oom_kill_allocating_task", "sys/vm/overcommit_kbytes", "sys/vm/overcommit_memory",
        "sys/vm/overcommit_ratio", "sys/vm/page-cluster", "sys/vm/page_lock_unfairness", "sys/vm/panic_on_oom",
        "sys/vm/percpu_pagelist_high_fraction", "sys/vm/stat_interval", "sys/vm/swappiness",
        "sys/vm/unprivileged_userfaultfd", "sys/vm/user_reserve_kbytes", "sys/vm/vfs_cache_pressure",
        "sys/vm/vfs_cache_pressure_denom", "sys/vm/watermark_boost_factor", "sys/vm/watermark_scale_factor",
        "sys/vm/zone_reclaim_mode",

        "sysvipc/msg", "sysvipc/sem", "sysvipc/shm", "tty/drivers", "tty/ldiscs", "uptime", "version", "vmstat",
        "zoneinfo",
    ])

    /// What C libraries, language runtimes and allocators ask of the machine.
    static let sys = SystemEntries(entries: [
        "devices/system/cpu/", "devices/system/node/", "kernel/mm/hugepages/", "kernel/mm/transparent_hugepage/",
    ])

    enum Match {
        case file, directory, tree
    }

    /// What a path below the mount point is (without a leading slash, not empty); `tree` for all that is in one.
    func find(_ path: ArraySlice<UInt8>) -> Match? {
        for entry in entries {
            let count = entry.utf8CodeUnitCount
            if Self.isTree(entry) {
                if path.hasPrefix(entry) || path.count == count - 1 && Self.starts(entry, with: path) { return .tree }
            }
            guard path.count <= count, Self.starts(entry, with: path) else { continue }
            if path.count == count { return .file }
            if entry.utf8Start[path.count] == UInt8(ascii: "/") { return .directory }
        }
        return nil
    }

    /// The names in a directory (empty: the mount point itself), each once.
    func names(in directory: ArraySlice<UInt8>) -> [(name: [UInt8], match: Match)] {
        var names: [(name: [UInt8], match: Match)] = []
        for entry in entries where directory.count < entry.utf8CodeUnitCount && Self.starts(entry, with: directory) {
            var rest = [UInt8](entry)[directory.count...]
            if !directory.isEmpty {
                guard rest.first == UInt8(ascii: "/") else { continue }
                rest = rest.dropFirst()
            }
            let isDeeper = rest.contains(UInt8(ascii: "/"))
            let name = rest.take(until: UInt8(ascii: "/"))
            // Paths that share a directory stand together.
            if let last = names.last, last.name.elementsEqual(name) { continue }
            names.append((Array(name), isDeeper ? .directory : .file))
        }
        return names
    }

    private static func isTree(_ entry: StaticString) -> Bool {
        entry.utf8Start[entry.utf8CodeUnitCount - 1] == UInt8(ascii: "/")
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
