import FakeRoot

/// /proc/PID/status, stat, statm and limits: the host's text with the fields replaced that would tell of vmrun.
struct ProcessStatusText {
    let record: ProcessRecord
    /// Whether the thread asks for its own. It runs then, though its host thread may sleep while another makes the call.
    let isAsking: Bool
    /// Over the guest's mappings.
    let memory: MapsText.Summary
    /// vmrun's own pages in memory.
    let own: ResidentPages
    /// How many threads the guest has. Asked for where a text has it, as the next one.
    let threads: () -> Int
    /// The highest descriptor number of the guest's, -1 for none.
    let highestDescriptor: () -> Int32
    /// The guest's blocked mask, where it is known.
    let blocked: UInt64?
    /// The parent that a host id is to the guest.
    let parent: (Int32) -> Int32
    let pageSize: UInt64 = 4096

    /// Text and libraries, as the kernel splits executable memory (task_mem in fs/proc/task_mmu.c).
    private var text: UInt64 {
        let start = record.codeStart & ~(pageSize - 1)
        let end = (record.codeEnd &+ (pageSize - 1)) & ~(pageSize - 1)
        return min(end > start ? end - start : 0, memory.executable)
    }

    /// The kernel's FDSize: the descriptor table grows in powers of two, from 64.
    private var tableSize: UInt64 {
        let highest = UInt64(max(highestDescriptor(), 0))
        var size: UInt64 = 64
        while size <= highest { size *= 2 }
        return size
    }

    // MARK: status

    func status(_ host: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(host.count)
        let hostSize = Self.kilobytes("VmSize:", in: host)
        let hostPeak = Self.kilobytes("VmPeak:", in: host)
        let size = memory.total / 1024
        // What the guest once had beyond its present size is taken to be what vmrun had.
        let peak = size + (hostPeak > hostSize ? hostPeak - hostSize : 0)
        var rest = host[...]
        while let line = rest.takeLine() {
            var label = line
            let name = label.take(until: UInt8(ascii: ":"))
            if name.equals("State"), isAsking {
                output.append("State:\tR (running)\n")
            } else if name.equals("FDSize") {
                append("FDSize:\t", decimal: tableSize, to: &output)
            } else if name.equals("Threads") {
                append("Threads:\t", decimal: UInt64(threads()), to: &output)
            } else if name.equals("VmPeak") {
                append("VmPeak:\t", kilobytes: peak, to: &output)
            } else if name.equals("VmSize") {
                append("VmSize:\t", kilobytes: size, to: &output)
            } else if name.equals("VmHWM") {
                append("VmHWM:\t", kilobytes: min(reduced(label, less: own.total), peak), to: &output)
            } else if name.equals("VmRSS") {
                append("VmRSS:\t", kilobytes: min(reduced(label, less: own.total), size), to: &output)
            } else if name.equals("RssAnon") {
                append("RssAnon:\t", kilobytes: reduced(label, less: own.anonymous), to: &output)
            } else if name.equals("RssFile") {
                append("RssFile:\t", kilobytes: reduced(label, less: own.file), to: &output)
            } else if name.equals("RssShmem") {
                append("RssShmem:\t", kilobytes: reduced(label, less: own.shared), to: &output)
            } else if name.equals("VmData") {
                append("VmData:\t", kilobytes: memory.data / 1024, to: &output)
            } else if name.equals("VmStk") {
                append("VmStk:\t", kilobytes: memory.stack / 1024, to: &output)
            } else if name.equals("VmExe") {
                append("VmExe:\t", kilobytes: text / 1024, to: &output)
            } else if name.equals("VmLib") {
                append("VmLib:\t", kilobytes: (memory.executable - text) / 1024, to: &output)
            } else if name.equals("PPid") {
                append("PPid:\t", decimal: visibleParent(label.number ?? 0), to: &output)
            } else if let credentials = record.credentials, append(name, credentials, to: &output) {
                continue
            } else if name.equals("NoNewPrivs") {
                append("NoNewPrivs:\t", decimal: record.hasRenouncedPrivileges ? 1 : 0, to: &output)
            } else if name.equals("Seccomp") {
                append("Seccomp:\t", decimal: UInt64(record.seccompMode), to: &output)
            } else if name.equals("Seccomp_filters") {
                append("Seccomp_filters:\t", decimal: UInt64(record.seccompFilters), to: &output)
            } else if name.equals("SigBlk"), let blocked {
                append("SigBlk:\t", mask: blocked, to: &output)
            } else if name.equals("SigIgn") {
                append("SigIgn:\t", mask: signals(Self.mask(label), record.ignoredSignals), to: &output)
            } else if name.equals("SigCgt") {
                append("SigCgt:\t", mask: signals(Self.mask(label), record.caughtSignals), to: &output)
            } else {
                output.append(contentsOf: line)
                output.append(0x0a)
            }
        }
        return output
    }

    /// The lines that tell who the process is; false for all others.
    private func append(_ name: ArraySlice<UInt8>, _ credentials: FakeCredentials.Summary, to output: inout [UInt8]) -> Bool {
        if name.equals("Uid") {
            append("Uid:", credentials.user, to: &output)
        } else if name.equals("Gid") {
            append("Gid:", credentials.group, to: &output)
        } else if name.equals("Groups") {
            // What is published has no room for them.
            output.append("Groups:\t \n")
        } else if name.equals("CapInh") {
            append("CapInh:\t", mask: credentials.capabilities.inheritable, to: &output)
        } else if name.equals("CapPrm") {
            append("CapPrm:\t", mask: credentials.capabilities.permitted, to: &output)
        } else if name.equals("CapEff") {
            append("CapEff:\t", mask: credentials.capabilities.effective, to: &output)
        } else if name.equals("CapBnd") {
            append("CapBnd:\t", mask: credentials.capabilities.bounding, to: &output)
        } else if name.equals("CapAmb") {
            append("CapAmb:\t", mask: credentials.capabilities.ambient, to: &output)
        } else {
            return false
        }
        return true
    }

    private func append(_ name: StaticString, _ ids: FakeCredentials.IDs, to output: inout [UInt8]) {
        output.append(name)
        for id in [ids.real, ids.effective, ids.saved, ids.fileSystem] {
            output.append(0x09)
            output.append(decimal: UInt64(id))
        }
        output.append(0x0a)
    }

    /// A size in kilobytes without some pages. The kernel's counts lag behind a little.
    private func reduced(_ value: ArraySlice<UInt8>, less pages: UInt64) -> UInt64 {
        let size = value.number ?? 0
        let taken = pages * (pageSize / 1024)
        return size > taken ? size - taken : 0
    }

    private func visibleParent(_ host: UInt64) -> UInt64 {
        UInt64(UInt32(bitPattern: parent(Int32(truncatingIfNeeded: host))))
    }

    /// The host's disposition of a signal is the guest's, but for those of which vmrun needs to hear itself.
    private func signals(_ host: UInt64, _ recorded: UInt64) -> UInt64 {
        host & ~ProcessRecord.publishedSignals | recorded & ProcessRecord.publishedSignals
    }

    private static func mask(_ value: ArraySlice<UInt8>) -> UInt64 {
        var digits = value.dropFirst()
        return digits.takeHex() ?? 0
    }

    private static func kilobytes(_ name: StaticString, in text: [UInt8]) -> UInt64 {
        var rest = text[...]
        while let line = rest.takeLine() {
            if line.hasPrefix(name) { return line.dropFirst(name.utf8CodeUnitCount).number ?? 0 }
        }
        return 0
    }

    private func append(_ name: StaticString, decimal value: UInt64, to output: inout [UInt8]) {
        output.append(name)
        output.append(decimal: value)
        output.append(0x0a)
    }

    private func append(_ name: StaticString, kilobytes value: UInt64, to output: inout [UInt8]) {
        output.append(name)
        output.append(decimal: value, width: 8)
        output.append(" kB\n")
    }

    private func append(_ name: StaticString, mask: UInt64, to output: inout [UInt8]) {
        output.append(name)
        output.append(hex: mask, digits: 16)
        output.append(0x0a)
    }

    // MARK: stat and statm

    /// The 52 fields of proc_pid_stat(5); the name in parentheses may hold anything, so counting begins behind it.
    func stat(_ host: [UInt8]) -> [UInt8] {
        guard let close = host.lastIndex(of: UInt8(ascii: ")")) else { return host }
        var output = Array(host[...close])
        var rest = host[(close + 1)...]
        if rest.first == 0x20 { rest.removeFirst() }
        if rest.last == 0x0a { rest.removeLast() }
        var field = 3
        // Without permission to trace the process the kernel prints 0 and 1 for addresses.
        var mayTrace = false
        while !rest.isEmpty {
            let value = rest.take(until: 0x20)
            if field == 28, let stack = value.number { mayTrace = stack > 1 }
            output.append(0x20)
            if field == 3 && isAsking {
                output.append(UInt8(ascii: "R"))
            } else if let replacement = replacement(field, value.number ?? 0, hostShowsAddresses: mayTrace) {
                output.append(decimal: replacement)
            } else {
                output.append(contentsOf: value)
            }
            field += 1
        }
        output.append(0x0a)
        return output
    }

    private static let PF_FORKNOEXEC: UInt64 = 0x40

    private func replacement(_ field: Int, _ host: UInt64, hostShowsAddresses: Bool) -> UInt64? {
        switch field {
        case 4: visibleParent(host)
        case 9: record.hasExecuted ? host & ~Self.PF_FORKNOEXEC : nil
        case 20: UInt64(threads())
        case 23: memory.total
        case 24: min(host - min(own.total, host), memory.total / pageSize)
        case 26: host > 1 ? record.codeStart : nil
        case 27: host > 1 ? record.codeEnd : nil
        case 28: host > 1 ? record.stackStart : nil
        // The low 31 bits, as the kernel prints these.
        case 32: blocked.map { $0 & 0x7fff_ffff }
        case 33: signals(host, record.ignoredSignals) & 0x7fff_ffff
        case 34: signals(host, record.caughtSignals) & 0x7fff_ffff
        case 45: hostShowsAddresses ? record.dataStart : nil
        case 46: hostShowsAddresses ? record.dataEnd : nil
        case 47: hostShowsAddresses ? record.heapStart : nil
        case 48: hostShowsAddresses ? record.argStart : nil
        case 49: hostShowsAddresses ? record.argEnd : nil
        case 50: hostShowsAddresses ? record.envStart : nil
        case 51: hostShowsAddresses ? record.envEnd : nil
        default: nil
        }
    }

    /// size resident shared text lib data dt, in pages.
    func statm(_ host: [UInt8]) -> [UInt8] {
        var fields: [UInt64] = []
        var rest = host[...]
        while !rest.isEmpty && fields.count < 7 { fields.append(rest.take(until: 0x20).number ?? 0) }
        while fields.count < 7 { fields.append(0) }
        fields[0] = memory.total / pageSize
        fields[1] = min(fields[1] - min(own.total, fields[1]), fields[0])
        fields[2] = min(fields[2] - min(own.file + own.shared, fields[2]), fields[1])
        fields[3] = text / pageSize
        fields[5] = (memory.data + memory.stack) / pageSize
        var output: [UInt8] = []
        for (index, value) in fields.enumerated() {
            if index > 0 { output.append(0x20) }
            output.append(decimal: value)
        }
        output.append(0x0a)
        return output
    }

    // MARK: sched

    /// The first line, `NAME (PID, #threads: COUNT)`, counts vmrun's threads too. The name may hold anything.
    func sched(_ host: [UInt8]) -> [UInt8] {
        let label: StaticString = ", #threads: "
        let end = host.firstIndex(of: 0x0a) ?? host.endIndex
        guard let start = host[..<end].lastIndex(of: UInt8(ascii: ",")), host[start...].hasPrefix(label) else { return host }
        var output = Array(host[..<start])
        output.append(label)
        output.append(decimal: UInt64(threads()))
        output.append(UInt8(ascii: ")"))
        output.append(contentsOf: host[end...])
        return output
    }

    // MARK: limits

    /// The line of RLIMIT_NOFILE tells the guest's limit; vmrun's own descriptors live above it.
    static func limits(_ host: [UInt8], record: ProcessRecord) -> [UInt8] {
        var output: [UInt8] = []
        var rest = host[...]
        while let line = rest.takeLine() {
            if line.hasPrefix("Max open files") && record.openFilesLimit != 0 {
                let beginning = output.count
                output.append("Max open files")
                while output.count - beginning < 26 { output.append(0x20) }
                output.append(decimal: record.openFilesLimit)
                while output.count - beginning < 47 { output.append(0x20) }
                output.append(decimal: record.openFilesHardLimit)
                while output.count - beginning < 68 { output.append(0x20) }
                output.append("files     \n")
            } else {
                output.append(contentsOf: line)
                output.append(0x0a)
            }
        }
        return output
    }
}
