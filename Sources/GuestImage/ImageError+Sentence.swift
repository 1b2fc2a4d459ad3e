import CShim
import LinuxABI

extension ImageError {
    /// One sentence for the command line, without a full stop. `program` is the name that the user gave.
    public func sentence(program: [UInt8]) -> String {
        let name = Self.text(program)
        switch self {
        case .unavailable(let errno): return "cannot run " + name + ": " + Self.text(errno)
        case .unknownFormat: return "cannot run " + name + ": it is neither an ELF program nor a script that begins with #!"
        case .defective(let defect): return "cannot run " + name + ": " + defect.clause
        case .interpreterUnavailable(let path, let errno):
            return "cannot run " + name + ": its interpreter " + Self.text(path) + " cannot be opened: " + Self.text(errno)
        case .interpreterDefective(let path, let defect):
            return "cannot run " + name + ": its interpreter " + Self.text(path) + " is unusable: " + defect.clause
        case .badScript: return "cannot run " + name + ": its #! line names no interpreter, or one too long for 256 bytes"
        case .scriptInterpreterUnavailable(let path, let errno):
            return "cannot run " + name + ": " + Self.text(path) + ", which is to interpret it, cannot be opened: "
                + Self.text(errno)
        case .scriptInterpreterDefective(let path, let defect):
            return "cannot run " + name + ": " + Self.text(path) + ", which is to interpret it, is unusable: "
                + defect.clause
        case .scriptInterpreterUnknownFormat(let path):
            return "cannot run " + name + ": " + Self.text(path)
                + ", which is to interpret it, is neither an ELF program nor a script"
        case .scriptInaccessible: return "cannot run " + name + ": it is a script on a close-on-exec descriptor"
        case .tooManyInterpreters: return "cannot run " + name + ": its interpreters are scripts nested more than five deep"
        case .argumentsTooLong: return "cannot run " + name + ": arguments and environment are too long"
        case .mappingFailed(let errno): return "cannot load " + name + " into memory: " + Self.text(errno)
        }
    }

    /// Paths are bytes; what is not UTF-8 in them shows as U+FFFD.
    private static func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }

    private static func text(_ errno: GuestErrno) -> String {
        switch errno {
        case .ENOENT: return "no such file"
        case .ENOTDIR: return "a part of the path is not a directory"
        case .EACCES: return "permission denied, or not an executable file"
        case .EPERM: return "operation not permitted"
        case .ELOOP: return "too many symbolic links"
        case .ENAMETOOLONG: return "the name is too long"
        case .ENOMEM: return "not enough memory"
        case .EMFILE, .ENFILE: return "too many open files"
        case .ETXTBSY: return "it is open for writing"
        case .EIO: return "it cannot be read"
        case .EINVAL: return "invalid argument"
        case .ENODEV: return "its file system cannot map files"
        default: return "error " + String(errno.number)
        }
    }
}

extension ImageError.Defect {
    var clause: String {
        switch self {
        case .wrongMachine(let machine):
            let width = machine.is32Bit ? "32-bit " : ""
            let clause =
                "it is built for " + width + machineName(machine.number) + ", and this machine runs "
                + GuestArchitecture.name.description
            guard let name = machine.name?.description else { return clause }
            return clause + "; --interp " + name + "=PATH names a translator, and qemu-" + name
                + "-static is found by itself where it is installed"
        case .notELF: return "it is not an ELF file"
        case .notProgram(let type):
            switch Int32(type) {
            case ET_REL: return "it is an object file, not a program"
            case ET_CORE: return "it is a core dump, not a program"
            default: return "it is not a program (ELF type " + String(type) + ")"
            }
        case .badProgramHeaders: return "its ELF program headers are malformed"
        case .truncated: return "the file is truncated"
        case .badInterpreterName: return "its interpreter's name is malformed"
        case .noSegments: return "it has nothing to load"
        case .segmentLargerInFileThanInMemory: return "a segment is larger in the file than in memory"
        case .absurdSegment: return "a segment has an impossible address or size"
        case .misalignedSegment: return "a segment's address and file offset do not agree within a page"
        case .overlappingSegments: return "its segments overlap"
        case .outsideArena: return "its segments lie outside the addresses that guests can have"
        case .absurdEntry: return "its entry point is an impossible address"
        }
    }
}

/// The name that users know a machine by (e_machine in elf.h).
private func machineName(_ machine: UInt16) -> String {
    switch Int32(machine) {
    case EM_386: return "i386"
    case EM_X86_64: return "x86-64"
    case EM_AARCH64: return "aarch64"
    case EM_ARM: return "arm"
    case EM_RISCV: return "riscv"
    case EM_PPC64: return "ppc64"
    case EM_PPC: return "ppc"
    case EM_S390: return "s390"
    case EM_MIPS: return "mips"
    case EM_SPARC, EM_SPARC32PLUS, EM_SPARCV9: return "sparc"
    case EM_LOONGARCH: return "loongarch"
    case EM_68K: return "m68k"
    case EM_SH: return "sh"
    case EM_PARISC: return "hppa"
    case EM_IA_64: return "ia64"
    default: return "machine number " + String(machine)
    }
}
