import LinuxABI

/// Which translator runs the programs of a foreign machine, as binfmt_misc does on a host. What is not registered is looked for
/// where distributions install qemu-user, and box64: in the guest's root, then on the host.
public struct InterpreterRegistry: Equatable {
    private struct Entry: Equatable {
        let name: [UInt8]
        let machine: ELFMachine
        let path: [UInt8]
    }

    private var entries: [Entry] = []

    public init() {}

    /// Programs of the machine that qemu-user calls `name` run under the translator at the guest path `path`. The last call
    /// for a machine counts. False where there is no such machine, or it is this one.
    public mutating func register(_ name: [UInt8], path: [UInt8]) -> Bool {
        guard let machine = ELFMachine(named: name), !machine.isNative else { return false }
        entries.removeAll { $0.machine == machine }
        entries.append(Entry(name: name, machine: machine, path: path))
        return true
    }

    /// Names and paths in turn, for the exec plan.
    public var words: [[UInt8]] {
        var result: [[UInt8]] = []
        for entry in entries {
            result.append(entry.name)
            result.append(entry.path)
        }
        return result
    }

    /// What `words` of another registry say. Nil where they are nobody's.
    public init?(words: [[UInt8]]) {
        guard words.count % 2 == 0 else { return nil }
        for index in stride(from: 0, to: words.count, by: 2) {
            guard register(words[index], path: words[index + 1]) else { return nil }
        }
    }

    // MARK: Finding

    /// An open translator and the name it is given.
    struct Translator {
        let path: [UInt8]
        let file: ProgramFile
        /// Opened on the host: `path` leads nowhere in the guest, or elsewhere.
        var isHostFile = false

        /// Whether it takes the program's own argv[0] as its third argument, binfmt_misc's flag P, and learns from AT_FLAGS
        /// that it is there. qemu-user does from 6.0 on; others are given what binfmt_misc gives without the flag.
        var keepsArgumentZero: Bool {
            let base = path.lastIndex(of: UInt8(ascii: "/")).map { path[($0 + 1)...] } ?? path[...]
            return base.starts(with: "qemu-".utf8) || base.reversed().starts(with: "P-tmfnib-".utf8)
        }
    }

    /// The translator for `machine`. Nil where none is registered or found; an error where the registered one cannot be opened.
    func translator(for machine: ELFMachine, opener: any ProgramOpener) throws(ImageError) -> Translator? {
        for entry in entries where entry.machine == machine {
            do throws(GuestErrno) {
                return Translator(path: entry.path, file: try ProgramFile(descriptor: try opener.openExecutable(path: entry.path)))
            } catch { throw .scriptInterpreterUnavailable(entry.path, error) }
        }
        guard let name = machine.name else { return nil }
        for path in Self.usualPaths(name) {
            if let descriptor = try? opener.openExecutable(path: path), let file = try? ProgramFile(descriptor: descriptor),
                file.format == .native
            {
                return Translator(path: path, file: file)
            }
        }
        for path in Self.usualPaths(name) {
            // The libraries of one that is not static would be looked for in the guest's root.
            if let descriptor = try? opener.openOnHost(path: path), let file = try? ProgramFile(descriptor: descriptor),
                file.format == .native, let image = try? ELFImage(file: file, role: .program), image.interpreterPath == nil
            {
                return Translator(path: path, file: file, isHostFile: true)
            }
        }
        return nil
    }

    /// Where Debian and others put qemu-user; and before it box64, which knows one machine and is faster.
    private static func usualPaths(_ name: StaticString) -> [[UInt8]] {
        let name = name.withUTF8Buffer { Array($0) }
        let others: [[UInt8]] =
            name == Array("x86_64".utf8) ? [Array("/usr/local/bin/box64".utf8), Array("/usr/bin/box64".utf8)] : []
        return others + [
            Array("/usr/bin/qemu-".utf8) + name + Array("-static".utf8), Array("/usr/bin/qemu-".utf8) + name,
            Array("/usr/libexec/qemu-binfmt/".utf8) + name + Array("-binfmt-P".utf8),
        ]
    }
}
