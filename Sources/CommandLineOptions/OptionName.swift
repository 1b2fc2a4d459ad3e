/// The options of vmrun's command line. `description` is the one place that says what each is called and does.
enum OptionName: CaseIterable {
    case sysroot, bind, readOnly, hostFallback, workdir
    case user, fakeRoot
    case env, clearEnv, interp
    case timeout, cpuTime, memory, maxProcesses, maxThreads, maxOpenFiles, maxOutput
    case net, noConfine
    case noFastSyscalls, noSwitchless, noPatch
    case trace, traceOutput, traceSize, stats
    case gdb, gdbStopOnEntry
    case version, help
    case helperFd
    case suite, architecture, mirror, include
    case bundle, stateRoot, pidFile, consoleSocket, preserveFds, force, all, log, logFormat, systemdCgroup, noPivot, noNewKeyring

    /// The option of a command's group, or of running a program (nil), that is spelt like this; nil where none is.
    static func spelt(_ word: ArraySlice<UInt8>, in group: OptionDescription.Group?) -> OptionName? {
        for name in allCases {
            let description = name.description
            guard description.group == group || group == nil && !description.group.isOfCommand else { continue }
            if description.spelling.withUTF8Buffer({ $0.elementsEqual(word) }) { return name }
            if description.short.withUTF8Buffer({ !$0.isEmpty && $0.elementsEqual(word) }) { return name }
        }
        return nil
    }

    var description: OptionDescription {
        switch self {
        case .sysroot:
            OptionDescription(
                "--sysroot", .files, value: "DIR", "the guest's /; without it, the host's",
                "The guest can name nothing outside of DIR but what --bind and --host-fallback show it. It gets a /proc and a /dev of its own.",
                completion: .directory)
        case .bind:
            OptionDescription(
                "--bind", .files, value: "HOST[:GUEST[:ro]]", "show a host file or directory to the guest",
                "It appears under the absolute path GUEST, or under its own name. With ro the guest cannot write to it.",
                isRepeatable: true, completion: .bind)
        case .readOnly:
            OptionDescription(
                "--read-only", .files, "let the guest change nothing in the sysroot",
                "It gets EROFS, as from a file system that is mounted so. Binds without ro can be written to.")
        case .hostFallback:
            OptionDescription("--host-fallback", .files, "look up on the host what the sysroot does not hold")
        case .workdir:
            OptionDescription(
                "--workdir", .files, value: "DIR", "the guest's working directory",
                "Without it: / with --sysroot, otherwise the directory that vmrun was started in.", completion: .directory)
        case .user:
            OptionDescription(
                "--user", .identity, value: "USER[:GROUP]", "run as this user of the guest's /etc/passwd, or by number",
                "It needs root, or --fakeroot.", completion: .user)
        case .fakeRoot:
            OptionDescription(
                "--fakeroot", .identity, "the guest believes to be root; owners it gives to files are remembered for the session",
                "So dpkg and tar work for everybody. Owners, modes and devices that the guest gives to files are forgotten when the session ends.")
        case .env:
            OptionDescription(
                "--env", .environment, value: "NAME[=VALUE]", "set a variable; NAME alone passes the host's", isRepeatable: true,
                completion: .variable)
        case .clearEnv:
            OptionDescription("--clear-env", .environment, "start from an empty environment")
        case .interp:
            OptionDescription(
                "--interp", .environment, value: "MACHINE=GUESTPATH",
                "run programs for MACHINE (aarch64, arm, riscv64, ...) by this translator; qemu-user is found by itself",
                "MACHINE is what qemu-user calls it, GUESTPATH an absolute path in the guest. The translator runs in the VM like any program.",
                isRepeatable: true, completion: .words("aarch64= arm= i386= ppc64le= riscv64= s390x= x86_64="))
        case .timeout:
            OptionDescription(
                "--timeout", .limits, value: "N", "end a stay of more than N seconds in the guest; 0: never (default)",
                "A stay is time that a thread computes without making a system call. The exit status is then 124.")
        case .cpuTime:
            OptionDescription(
                "--cpu-time", .limits, value: "N",
                "end the session when its processes have used N seconds of processor time together; 0: never (default)")
        case .memory:
            OptionDescription(
                "--memory", .limits, value: "SIZE",
                "kill the largest process when all together have more memory than SIZE (512M, 2G); 0: no limit (default)",
                "SIZE is in bytes, or in units of 1024, 1024^2 and so on with K, M, G or T. What counts is memory in use, private and shared, once.")
        case .maxProcesses:
            OptionDescription(
                "--max-processes", .limits, value: "N", "refuse to make more than N processes (EAGAIN); 0: no limit (default)",
                "Zombies count.")
        case .maxThreads:
            OptionDescription(
                "--max-threads", .limits, value: "N",
                "refuse to make more than N threads in all processes together (EAGAIN); 0: no limit (default)")
        case .maxOpenFiles:
            OptionDescription(
                "--max-open-files", .limits, value: "N",
                "let no process have more than N descriptors (EMFILE); 0: as many as vmrun may (default)")
        case .maxOutput:
            OptionDescription(
                "--max-output", .limits, value: "SIZE",
                "end the session when its processes have written SIZE bytes together (10M, 1G); 0: no limit (default)",
                "What counts is written to files, and to terminals, pipes and sockets that vmrun was started with. The exit status is then 124.")
        case .net:
            OptionDescription(
                "--net", .isolation, value: "host|none",
                "host: the host's network (default); none: no sockets but AF_UNIX ones, and abstract names of the session's own",
                completion: .words("host none"))
        case .noConfine:
            OptionDescription(
                "--no-confine", .isolation,
                "let vmrun keep all its rights on the host: no system call filter, no Landlock rules (for debugging)")
        case .noFastSyscalls:
            OptionDescription(
                "--no-fast-syscalls", .speed, "leave the guest for every system call", "It implies --no-switchless and --no-patch.")
        case .noSwitchless:
            OptionDescription("--no-switchless", .speed, "make no system calls on a second host thread while the guest's stays in it")
        case .noPatch:
            OptionDescription("--no-patch", .speed, "rewrite no hot system call instructions to jumps")
        case .trace:
            OptionDescription(
                "--trace", .debugging, value: "SET", "show each system call on standard error, as strace(1) does",
                "SET is a list, with commas, of names and of the families %file, %process, %memory, %network, %signal and %desc; with ! in front of it, all others are shown. A line is written when its call returns, with the thread, the time since the start, and how long the call took. Signals and ends are always shown.",
                completion: .words("%file %process %memory %network %signal %desc"), isValueOptional: true)
        case .traceOutput:
            OptionDescription(
                "--trace-output", .debugging, value: "FILE", "write the trace to FILE, also -o FILE; %p in it: one file per process",
                "%p stands for the process's id.", completion: .file, short: "-o")
        case .traceSize:
            OptionDescription("--trace-size", .debugging, value: "N", "show N bytes of each buffer in a trace (default: 32)")
        case .stats:
            OptionDescription(
                "--stats", .debugging, value: "json", "at the session's end, say on standard error what its system calls were and took",
                "Also how they were served, and how many page faults, processes, programs and threads there were. With json it is one JSON object.",
                completion: .words("json"), isValueOptional: true)
        case .gdb:
            OptionDescription(
                "--gdb", .debugging, value: "PORT|HOST:PORT|PATH", "let gdb debug the program; its \"target remote\" takes the same",
                "PORT is a TCP port of 127.0.0.1, or with HOST of that IPv4 address; 0 takes a free one, which vmrun says. PATH, which has a slash, is a socket that only this user may connect to. Whoever may connect may do what the program may.",
                completion: .file)
        case .gdbStopOnEntry:
            OptionDescription("--gdb-stop-on-entry", .debugging, "with --gdb: wait for gdb before the first instruction")
        case .version:
            OptionDescription("--version", .information, "print the version")
        case .help:
            OptionDescription("--help", .information, "print a list of commands and options")
        case .helperFd:
            OptionDescription("--helper-fd", .ownUse, value: "N", "the socket that the exec plan comes through")
        case .suite:
            OptionDescription(
                "--suite", .rootCreate, value: "NAME", "the Debian release; bookworm where it is not given",
                completion: .words("bookworm trixie sid stable testing"))
        case .architecture:
            OptionDescription(
                "--arch", .rootCreate, value: "NAME", "Debian's name of the processor; this machine's where it is not given",
                "The programs of another one are run by qemu-user: Debian's package qemu-user-static.", completion: .words("amd64 arm64"))
        case .mirror:
            OptionDescription(
                "--mirror", .rootCreate, value: "URL", "where the packages come from",
                "Without it: from where this machine's apt has its own, or from deb.debian.org.")
        case .bundle:
            OptionDescription("--bundle", .oci, value: "DIR", "the bundle: DIR/config.json; without it, the current directory", completion: .directory)
        case .stateRoot:
            OptionDescription(
                "--root", .oci, value: "DIR", "where containers' states are kept",
                "Without it: /run/vmrun-oci for root, below XDG_RUNTIME_DIR for others.", completion: .directory)
        case .pidFile:
            OptionDescription("--pid-file", .oci, value: "FILE", "write the process id there", completion: .file)
        case .consoleSocket:
            OptionDescription("--console-socket", .oci, value: "SOCKET", "send the terminal's other side there", completion: .file)
        case .preserveFds:
            OptionDescription("--preserve-fds", .oci, value: "N", "let the program have N descriptors from number 3 on")
        case .force:
            OptionDescription("--force", .oci, "kill the container that is to be deleted")
        case .all:
            OptionDescription("--all", .oci, "taken for other runtimes' sake: a container's processes end with its first")
        case .log:
            OptionDescription("--log", .oci, value: "FILE", "write errors there, too", completion: .file)
        case .logFormat:
            OptionDescription("--log-format", .oci, value: "text|json", "how", completion: .words("text json"))
        case .systemdCgroup:
            OptionDescription("--systemd-cgroup", .oci, "taken for other runtimes' sake: no cgroups are made")
        case .noPivot:
            OptionDescription("--no-pivot", .oci, "taken for other runtimes' sake")
        case .noNewKeyring:
            OptionDescription("--no-new-keyring", .oci, "taken for other runtimes' sake")
        case .include:
            OptionDescription("--include", .rootCreate, value: "PACKAGE[,PACKAGE...]", "install these packages, too", isRepeatable: true)
        }
    }
}
