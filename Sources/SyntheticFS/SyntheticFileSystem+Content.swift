import CShim
import Host
import LinuxABI

/// The bytes of generated objects.
extension SyntheticFileSystem {
    /// What a descriptor of `node` reads. Errors are those of reading the host's own: EACCES for what the process may not
    /// see, ESRCH or ENOENT where it is gone.
    func content(of node: SyntheticNode, _ path: [UInt8]) throws(GuestErrno) -> [UInt8] {
        do throws(HostError) {
            switch node.content {
            case .generated(let scope, let file): return try generate(file, scope, node.hostPath)
            case .descriptorInfo(let scope, let descriptor):
                return descriptorInfo(try HostFile.read(node.hostPath), scope, descriptor)
            case .system(.unixSockets): return unixSockets(try HostFile.read(node.hostPath))
            case .system(.fileLocks):
                return LocksText(isMember: isMember, own: sharedMemory.lockName).rewrite(try HostFile.read(node.hostPath))
            case .system(.lowestAddress):
                var text: [UInt8] = []
                text.append(decimal: configuration.arena.lowerBound)
                text.append(0x0a)
                return text
            default: break
            }
        } catch {
            throw GuestErrno(error.number)
        }
        if case .directory(let directory) = node.content { return try records(of: directory, path) }
        return []
    }

    private func generate(
        _ file: ProcessFile, _ scope: ProcessScope, _ hostPath: [UInt8]
    ) throws(HostError) -> [UInt8] {
        let process = scope.process
        let record = session.record(of: process) ?? ProcessRecord()
        switch file {
        case .auxv: return try auxiliaryVector(process, record)
        case .environ: return try memory(of: process, record.envStart, record.envEnd)
        case .cmdline: return try commandLine(process, record)
        case .children: return children(try HostFile.read(hostPath))
        case .coredumpFilter:
            var text: [UInt8] = []
            text.append(hex: UInt64(record.coredumpFilter), digits: 8)
            text.append(0x0a)
            return text
        case .limits: return ProcessStatusText.limits(try HostFile.read(hostPath), record: record)
        case .maps, .smaps: return mapsText(record).rewrite(try HostFile.read(hostPath))
        case .numaMaps:
            return NUMAMapsText(maps: mapsText(record)).rewrite(
                try HostFile.read(hostPath), maps: try HostFile.read(scope.path("maps")))
        case .sched: return statusText(scope, record).sched(try HostFile.read(hostPath))
        case .smapsRollup: return mapsText(record).rollup(try HostFile.read(scope.path("smaps")))
        case .mountinfo: return MountsText(configuration: configuration).mountinfo(try HostFile.read(hostPath))
        case .mounts:
            return MountsText(configuration: configuration).mounts(
                fromMountinfo: try HostFile.read(scope.path("mountinfo")))
        case .mountstats:
            return MountsText(configuration: configuration).mountstats(
                fromMountinfo: try HostFile.read(scope.path("mountinfo")))
        case .stat: return statusText(scope, record).stat(try HostFile.read(hostPath))
        case .statm: return statusText(scope, record).statm(try HostFile.read(hostPath))
        case .status: return statusText(scope, record).status(try HostFile.read(hostPath))
        }
    }

    private func mapsText(_ record: ProcessRecord) -> MapsText {
        MapsText(arena: configuration.arena, record: record, translate: guestLinkText)
    }

    private func statusText(_ scope: ProcessScope, _ record: ProcessRecord) -> ProcessStatusText {
        // Whoever may not see the mappings (another user's process) is shown none of the sizes either.
        let maps = (try? HostFile.read(scope.path("maps"))) ?? []
        let memory = mapsText(record).summary(maps)
        let session = session
        let thread = scope.thread ?? scope.process
        return ProcessStatusText(
            record: record, isAsking: thread == askingThread, memory: memory, own: ResidentPages.count(of: scope.process, memory.hidden),
            threads: { max(self.threads(of: scope.process).count, 1) },
            highestDescriptor: { self.descriptors(of: scope).last ?? -1 },
            blocked: session.blockedSignals(ofThread: thread, of: scope.process),
            parent: { session.visibleParent($0, of: scope.process) })
    }

    /// The guest memory [start, end) of a member: what can be read of it, as much as the largest argument list.
    private func memory(of process: Int32, _ start: UInt64, _ end: UInt64) throws(HostError) -> [UInt8] {
        guard start < end, configuration.arena.contains(start), end <= configuration.arena.upperBound else { return [] }
        let size = Int(min(end - start, 8 << 20))
        var failure = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            var local = iovec(iov_base: UnsafeMutableRawPointer(buffer.baseAddress), iov_len: size)
            var remote = iovec(iov_base: UnsafeMutableRawPointer(bitPattern: UInt(start)), iov_len: size)
            // SAFETY: the host writes at most `size` bytes into the buffer; the other side is only an address to it.
            let result = withUnsafeMutablePointer(to: &local) { local in
                withUnsafeMutablePointer(to: &remote) { remote in
                    Host.raw(Int32(SYS_process_vm_readv), Int(process), local.argument, 1, remote.argument, 1, 0)
                }
            }
            count = min(max(result, 0), size)
            // One that has ended has no memory any more.
            if result < 0 && result != -Int(EFAULT) && result != -Int(ESRCH) { failure = -result }
        }
        if failure != 0 { throw HostError(failure == Int(EPERM) ? EACCES : Int32(truncatingIfNeeded: failure)) }
        return bytes
    }

    /// The auxiliary vector with its AT_NULL, found on the initial stack behind argc, argv and envp.
    private func auxiliaryVector(_ process: Int32, _ record: ProcessRecord) throws(HostError) -> [UInt8] {
        let stack = try memory(of: process, record.stackStart, record.argStart)
        return stack.withUnsafeBytes { bytes in
            func word(_ index: Int) -> UInt64? {
                let offset = index.multipliedReportingOverflow(by: 8)
                guard !offset.overflow, offset.partialValue >= 0, offset.partialValue < bytes.count - 7 else { return nil }
                return bytes.loadUnaligned(fromByteOffset: offset.partialValue, as: UInt64.self)
            }
            guard let count = word(0), count < 1 << 24 else { return [] }
            var index = Int(count) + 2
            while let pointer = word(index), pointer != 0 { index += 1 }
            let start = index + 1
            index = start
            while let key = word(index), word(index + 1) != nil {
                index += 2
                if key == 0 { return Array(bytes[(start * 8)..<(index * 8)]) }
            }
            return []
        }
    }

    /// As get_mm_cmdline in fs/proc/base.c: a program that wrote over the end of its arguments has set a title.
    private func commandLine(_ process: Int32, _ record: ProcessRecord) throws(HostError) -> [UInt8] {
        let arguments = try memory(of: process, record.argStart, record.argEnd)
        guard arguments.last ?? 0 != 0 else { return arguments }
        let end = record.envStart == record.argEnd && record.envEnd > record.argEnd ? record.envEnd : record.argEnd
        let title = try memory(of: process, record.argStart, min(end, record.argStart &+ 4096))
        guard let terminator = title.firstIndex(of: 0) else { return title }
        return Array(title[...terminator])
    }

    private func children(_ host: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var rest = host[...]
        while !rest.isEmpty {
            guard let child = rest.take(until: 0x20).decimal, isMember(child) else { continue }
            output.append(decimal: child)
            output.append(0x20)
        }
        return output
    }

    /// fdinfo: a synthetic descriptor has the inode that stat tells.
    private func descriptorInfo(_ host: [UInt8], _ scope: ProcessScope, _ descriptor: Int32) -> [UInt8] {
        var link = scope.path("fd/")
        link.append(decimal: descriptor)
        guard let text = HostFile.readlink(link), let path = SyntheticName.path(ofLinkText: text) else { return host }
        var output: [UInt8] = []
        var rest = host[...]
        while let line = rest.takeLine() {
            if line.hasPrefix("ino:") {
                output.append("ino:\t")
                output.append(decimal: SyntheticIdentity.inode(path))
            } else {
                output.append(contentsOf: line)
            }
            output.append(0x0a)
        }
        return output
    }

    /// net/unix: sockets bound to paths show those of the guest's view; the others lose theirs. Abstract names are those of the session,
    /// where these are kept apart.
    private func unixSockets(_ host: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var rest = host[...]
        let abstract = [UInt8](" @") + session.abstractPrefix
        while let line = rest.takeLine() {
            if !session.hasNetwork, let sign = line.firstIndex(of: UInt8(ascii: "@")) {
                // Of others' abstract names none shows.
                guard line[(sign - 1)...].starts(with: abstract) else { continue }
                output.append(contentsOf: line[...sign])
                output.append(contentsOf: line[(sign - 1 + abstract.count)...])
                output.append(0x0a)
                continue
            }
            output.append(contentsOf: line)
            // Abstract addresses begin with @.
            if let slash = line.firstIndex(of: UInt8(ascii: "/")), slash > line.startIndex, line[slash - 1] == 0x20 {
                let path = Array(line[slash...])
                output.removeLast(path.count + 1)
                if let shown = translator?.guestPath(fromHost: path) {
                    output.append(0x20)
                    output.append(contentsOf: shown)
                }
            }
            output.append(0x0a)
        }
        return output
    }
}
