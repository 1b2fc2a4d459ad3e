/// A process, or one thread of it, under whose /proc directory something is.
struct ProcessScope {
    let process: Int32
    /// nil for /proc/PID itself.
    let thread: Int32?
    /// /proc/TID, which no listing shows: the process's directory, with what is the thread's own in it.
    var isByThread = false

    /// Whether it is what is in /proc/PID/task.
    var isTask: Bool { thread != nil && !isByThread }

    /// Its directory, the same on the host and in the guest's view.
    var path: [UInt8] {
        var path = [UInt8]("/proc/")
        if isByThread, let thread {
            path.append(decimal: thread)
            return path
        }
        path.append(decimal: process)
        if let thread {
            path.append("/task/")
            path.append(decimal: thread)
        }
        return path
    }

    func path(_ name: StaticString) -> [UInt8] {
        var path = path
        path.append(UInt8(ascii: "/"))
        path.append(name)
        return path
    }
}

/// An object of the synthetic tree, found but not opened.
struct SyntheticNode {
    enum Content {
        case directory(Directory)
        /// The host's file, read only.
        case hostFile
        /// The host's file with the guest's own access mode.
        case hostWritable
        case generated(ProcessScope, ProcessFile)
        case descriptorInfo(ProcessScope, Int32)
        case system(SystemFile)
        case addressed(AddressedFile)
        case link(target: [UInt8])
        case executable(Int32)
        case workingDirectory(ProcessScope)
        /// The host's link to an object: an open file, a mapped one, a namespace.
        case hostLink
        case device
        case hostDirectory
    }

    enum Directory {
        case proc
        /// In /proc or /sys, by its path below that.
        case system(SystemMount, [UInt8])
        /// The host's at this path, of which everything shows that every user may read.
        case tree([UInt8])
        case process(ProcessScope)
        case tasks(Int32)
        case descriptors(ProcessScope)
        case descriptorInfos(ProcessScope)
        case namespaces(ProcessScope)
        case mappedFiles(ProcessScope)
        case devices
    }

    /// The host object that stands for it: it gives mode, owner and times, and whether the object exists.
    let hostPath: [UInt8]
    let content: Content

    var isDirectory: Bool {
        switch content {
        case .directory, .hostDirectory: true
        default: false
        }
    }
}

/// The files that belong to no process and are not the host's own.
enum SystemFile {
    /// net/unix
    case unixSockets
    /// vm.mmap_min_addr: where the arena begins, which is above the host's own limit.
    case lowestAddress
    /// locks
    case fileLocks
}

enum SystemMount {
    case proc, sys

    var entries: SystemEntries {
        switch self {
        case .proc: .proc
        case .sys: .sys
        }
    }

    /// With a slash at the end.
    var prefix: StaticString {
        switch self {
        case .proc: "/proc/"
        case .sys: "/sys/"
        }
    }
}
