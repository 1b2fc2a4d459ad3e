import CShim
import Host
import LinuxABI

/// Everything that execve(2) decides before the old image goes: which files to map, and what the new program is told. It reads
/// nothing by name afterwards, so it can be loaded when errors can no longer be returned.
public struct PreparedProgram {
    /// The file to run, after all `#!` lines and translators.
    public let executable: ProgramFile
    public let image: ELFImage
    /// PT_INTERP's file.
    public let interpreter: Interpreter?
    public let argv: [[UInt8]]
    public let envp: [[UInt8]]
    /// AT_EXECFN: the name that exec was given, also of a script.
    public let execfn: [UInt8]
    /// What /proc/self/exe shows.
    public let executablePath: [UInt8]
    /// The first thread's name: at most 15 bytes.
    public let comm: [UInt8]
    /// AT_FLAGS: bit 0 where a translator gets the program's own argv[0] (AT_FLAGS_PRESERVE_ARGV0).
    public let auxiliaryFlags: UInt64
    public let limits: ArgumentLimits

    public struct Interpreter {
        public let file: ProgramFile
        public let image: ELFImage
    }

    /// The file that exec names.
    public enum Source {
        /// execve(2), or execveat(2) with a path that begins at the root or the working directory.
        case path([UInt8])
        /// execveat(2) on a descriptor: the file it leads to, opened for execution and taken over, with the name that Linux
        /// gives it (`/dev/fd/N` or `/dev/fd/N/path`). `closesOnExec`: a script could not be reached by that name.
        /// `isNameless`: AT_EMPTY_PATH; the thread is then named by its file.
        case descriptor(Int32, name: [UInt8], closesOnExec: Bool, isNameless: Bool = false)
    }
}

extension PreparedProgram {
    static let commCapacity = 15
    /// How many handlers exec_binprm() tries one after the other: five interpreters and a program.
    private static let deepestHandler = 5
    /// AT_FLAGS_PRESERVE_ARGV0 of linux/binfmts.h.
    private static let preservesArgumentZero: UInt64 = 1

    /// Opens and checks `source` and its interpreters. `argv` may be empty: Linux then passes one empty string.
    public static func prepare(
        _ source: Source, argv: [[UInt8]], envp: [[UInt8]], opener: any ProgramOpener, registry: InterpreterRegistry,
        limits: ArgumentLimits
    ) throws(ImageError) -> PreparedProgram {
        let origin = try open(source, opener: opener)
        let execfn = origin.execfn
        var file = origin.file
        var isInaccessible = origin.isInaccessible
        var auxiliaryFlags: UInt64 = 0
        var hostPath: [UInt8]? = nil
        var argv = argv.isEmpty ? [[]] : argv
        // The pointers are counted once, before scripts add theirs.
        guard let budget = limits.stringBudget(argc: argv.count, envc: envp.count) else { throw .argumentsTooLong }
        let fixedSize = size(of: envp) &+ execfn.count &+ 1
        try check(argv, fixedSize, budget)
        guard !envp.contains(where: { $0.count >= ArgumentLimits.longestString }) else { throw .argumentsTooLong }

        // The name that the next interpreter is given for what it interprets; nil while that is the program itself.
        var name = execfn
        var depth = 0
        while true {
            let next: (path: [UInt8], argument: [UInt8]?, translator: InterpreterRegistry.Translator?)
            switch file.format {
            case .native:
                let image = try programImage(file, name: depth == 0 ? nil : name)
                let path = hostPath ?? opener.guestPath(ofExecutable: file.descriptor)
                return PreparedProgram(
                    executable: file, image: image, interpreter: try interpreter(of: image, opener: opener), argv: argv,
                    envp: envp, execfn: execfn, executablePath: path, comm: comm(origin.isNameless ? path : execfn),
                    auxiliaryFlags: auxiliaryFlags, limits: limits)
            case .script:
                guard let header = ScriptHeader(head: file.head) else { throw .badScript }
                guard !isInaccessible else { throw .scriptInaccessible }
                next = (header.interpreter, header.argument, nil)
            case .foreign(let machine):
                guard let translator = try registry.translator(for: machine, opener: opener) else {
                    let defect = ImageError.Defect.wrongMachine(machine)
                    throw depth == 0 ? .defective(defect) : .scriptInterpreterDefective(name, defect)
                }
                guard !isInaccessible else { throw .scriptInaccessible }
                next = (translator.path, nil, translator)
            case .unknown:
                throw depth == 0 ? .unknownFormat : .scriptInterpreterUnknownFormat(name)
            }
            let keepsArgumentZero = next.translator?.keepsArgumentZero ?? false
            if keepsArgumentZero { auxiliaryFlags |= preservesArgumentZero }
            argv.replaceSubrange(
                0..<(keepsArgumentZero ? 0 : 1), with: [next.path] + (next.argument.map { [$0] } ?? []) + [name])
            try check(argv, fixedSize, budget)
            if let translator = next.translator {
                file = translator.file
                hostPath = translator.isHostFile ? translator.path : nil
            } else {
                do throws(GuestErrno) {
                    file = try openInterpreter(next.path, opener)
                } catch { throw .scriptInterpreterUnavailable(next.path, error) }
            }
            name = next.path
            isInaccessible = false
            depth += 1
            if depth > deepestHandler { throw .tooManyInterpreters }
        }
    }

    /// A program that another process prepared: the descriptors came with the exec plan and are taken over; nothing is opened.
    public init(
        executable: Int32, interpreter: Int32?, argv: [[UInt8]], envp: [[UInt8]], execfn: [UInt8], executablePath: [UInt8],
        comm: [UInt8], auxiliaryFlags: UInt64, limits: ArgumentLimits
    ) throws(ImageError) {
        do throws(GuestErrno) {
            self.executable = try ProgramFile(descriptor: executable)
        } catch {
            if let interpreter { _ = Host.raw(Int32(SYS_close), Int(interpreter)) }
            throw .unavailable(error)
        }
        var opened: ProgramFile? = nil
        if let interpreter {
            do { opened = try ProgramFile(descriptor: interpreter) } catch { throw .interpreterUnavailable([], error) }
        }
        guard self.executable.format == .native else { throw .unknownFormat }
        let image = try Self.programImage(self.executable, name: nil)
        if let opened {
            self.interpreter = try Self.interpreter(opened, path: image.interpreterPath ?? [])
        } else {
            self.interpreter = nil
        }
        self.image = image
        self.argv = argv
        self.envp = envp
        self.execfn = execfn
        self.executablePath = executablePath
        self.comm = comm
        self.auxiliaryFlags = auxiliaryFlags
        self.limits = limits
    }

    /// What exec was pointed at.
    private struct Origin {
        let file: ProgramFile
        let execfn: [UInt8]
        /// An interpreter could not open `execfn` after exec.
        let isInaccessible: Bool
        /// A descriptor alone, without a path.
        let isNameless: Bool
    }

    private static func open(_ source: Source, opener: any ProgramOpener) throws(ImageError) -> Origin {
        do throws(GuestErrno) {
            switch source {
            case .path(let path):
                let file = try ProgramFile(descriptor: try opener.openExecutable(path: path))
                return Origin(file: file, execfn: path, isInaccessible: false, isNameless: false)
            case .descriptor(let descriptor, let name, let closesOnExec, let isNameless):
                let file = try ProgramFile(descriptor: descriptor)
                return Origin(file: file, execfn: name, isInaccessible: closesOnExec, isNameless: isNameless)
            }
        } catch { throw .unavailable(error) }
    }

    /// The thread name that begin_new_exec() takes from a path; a nameless descriptor's is that of the file that runs.
    private static func comm(_ path: [UInt8]) -> [UInt8] {
        let base = path.lastIndex(of: UInt8(ascii: "/")).map { path[($0 + 1)...] } ?? path[...]
        return Array(base.prefix(commCapacity))
    }

    private static func interpreter(
        of image: ELFImage, opener: any ProgramOpener
    ) throws(ImageError) -> Interpreter? {
        guard let path = image.interpreterPath else { return nil }
        let file: ProgramFile
        do throws(GuestErrno) {
            file = try openInterpreter(path, opener)
        } catch { throw .interpreterUnavailable(path, error) }
        return try interpreter(file, path: path)
    }

    private static func openInterpreter(
        _ path: [UInt8], _ opener: any ProgramOpener
    ) throws(GuestErrno) -> ProgramFile {
        // open_exec() takes an empty name for the working directory, and that is no regular file.
        guard !path.isEmpty else { throw .EACCES }
        return try ProgramFile(descriptor: try opener.openExecutable(path: path))
    }

    /// `name` is that of a script's interpreter, nil for the program that exec named.
    private static func programImage(_ file: ProgramFile, name: [UInt8]?) throws(ImageError) -> ELFImage {
        do throws(ELFParseError) {
            return try ELFImage(file: file, role: .program)
        } catch {
            switch error {
            case .unreadable(let errno):
                throw name.map { .scriptInterpreterUnavailable($0, errno) } ?? .unavailable(errno)
            case .defect(let defect): throw name.map { .scriptInterpreterDefective($0, defect) } ?? .defective(defect)
            }
        }
    }

    private static func interpreter(_ file: ProgramFile, path: [UInt8]) throws(ImageError) -> Interpreter {
        switch file.format {
        case .native: break
        case .foreign(let machine):
            throw .interpreterDefective(path, .wrongMachine(machine))
        case .script, .unknown:
            // Linux reads a whole ELF header first.
            throw file.size < UInt64(MemoryLayout<Elf64_Ehdr>.size)
                ? .interpreterUnavailable(path, .EIO) : .interpreterDefective(path, .notELF)
        }
        do throws(ELFParseError) {
            return Interpreter(file: file, image: try ELFImage(file: file, role: .interpreter))
        } catch {
            switch error {
            case .unreadable(let errno): throw .interpreterUnavailable(path, errno)
            case .defect(let defect): throw .interpreterDefective(path, defect)
            }
        }
    }

    private static func check(_ argv: [[UInt8]], _ fixedSize: Int, _ budget: Int) throws(ImageError) {
        guard !argv.contains(where: { $0.count >= ArgumentLimits.longestString }), size(of: argv) &+ fixedSize <= budget
        else { throw .argumentsTooLong }
    }

    /// Bytes of the strings with their NULs. The strings are in memory already, so that sums cannot overflow.
    private static func size(of strings: [[UInt8]]) -> Int {
        var size = 0
        for string in strings { size += string.count + 1 }
        return size
    }
}
