/// A process, or one thread of it, under whose /proc directory something is.
struct ProcessScope {
    let process: Int32
    /// nil for /proc/PID itself.
    let thread: Int32?

    /// Its directory, the same on the host and in the guest's view.
    var path: [UInt8] {
        var path = [UInt8]("/proc/")
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
        case unixSockets
        /// vm.mmap_min_addr: where the arena begins, which is above the host's own limit.
        case lowestAddress
        case link(target: [UInt8])
        case executable(Int32)
        case workingDirectory(ProcessScope)
        case descriptor(ProcessScope, Int32)
        case device
        case hostDirectory
    }

    enum Directory {
        case proc
        /// Below /proc, by its path there.
        case system([UInt8])
        case process(ProcessScope)
        case tasks(Int32)
        case descriptors(ProcessScope)
        case descriptorInfos(ProcessScope)
        case network(ProcessScope)
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
