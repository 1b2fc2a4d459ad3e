import CShim
import LinuxABI

/// Why a program cannot be run: an errno for the guest's execve(2), and a sentence for vmrun's user.
public enum ImageError: Error, Equatable {
    /// What is wrong with an ELF file's contents.
    public enum Defect: Equatable {
        case notELF
        case wrongMachine(ELFMachine)
        /// e_type is neither ET_EXEC nor ET_DYN.
        case notProgram(type: UInt16)
        /// e_phentsize or e_phnum is out of bounds.
        case badProgramHeaders
        /// The headers or the segments reach beyond the end of the file.
        case truncated
        /// PT_INTERP has an impossible length or no NUL at its end.
        case badInterpreterName
        case noSegments
        case segmentLargerInFileThanInMemory
        /// A segment wraps around, or is larger than any address space.
        case absurdSegment
        /// p_vaddr and p_offset differ within a page.
        case misalignedSegment
        case overlappingSegments
        /// Fixed segments lie where guests cannot.
        case outsideArena
        case absurdEntry
    }

    /// The program itself could not be opened or read.
    case unavailable(GuestErrno)
    /// Neither ELF nor a script.
    case unknownFormat
    case defective(Defect)
    /// PT_INTERP names a file that could not be opened or read.
    case interpreterUnavailable([UInt8], GuestErrno)
    case interpreterDefective([UInt8], Defect)
    /// `#!` without an interpreter, or with one whose name is cut at 256 bytes.
    case badScript
    /// A script's interpreter, or a translator, could not be opened or read.
    case scriptInterpreterUnavailable([UInt8], GuestErrno)
    /// The file that a script names cannot be run.
    case scriptInterpreterDefective([UInt8], Defect)
    case scriptInterpreterUnknownFormat([UInt8])
    /// The script's name would lead nowhere after exec: a close-on-exec descriptor given to execveat(2).
    case scriptInaccessible
    /// Scripts that interpret scripts, more than five deep.
    case tooManyInterpreters
    case argumentsTooLong
    /// The address space had no room, or the host refused to map.
    case mappingFailed(GuestErrno)
}

extension ImageError {
    /// What execve(2) returns: the errno that binfmt_elf, binfmt_script and exec.c give.
    public var errno: GuestErrno {
        switch self {
        case .unavailable(let errno), .mappingFailed(let errno): return errno
        case .interpreterUnavailable(_, let errno), .scriptInterpreterUnavailable(_, let errno): return errno
        case .unknownFormat, .badScript, .scriptInterpreterUnknownFormat: return .ENOEXEC
        case .scriptInaccessible: return .ENOENT
        case .tooManyInterpreters: return .ELOOP
        case .argumentsTooLong: return .E2BIG
        case .defective(let defect), .scriptInterpreterDefective(_, let defect): return defect.errno
        case .interpreterDefective(_, let defect): return defect.isFatal ? defect.errno : .ELIBBAD
        }
    }

    /// Linux finds this only when the old image is gone; the process then dies by SIGSEGV instead of seeing `errno`.
    public var isFatal: Bool {
        switch self {
        case .defective(let defect), .scriptInterpreterDefective(_, let defect): return defect.isFatal
        case .interpreterDefective(_, let defect): return defect.isFatal
        case .mappingFailed: return true
        default: return false
        }
    }

    /// The status of a vmrun that could not start its program, as a shell's: 127 not found, 126 found but not runnable.
    public var exitStatus: Int32 { errno == .ENOENT || errno == .ENOTDIR ? 127 : 126 }
}

extension ImageError.Defect {
    var errno: GuestErrno {
        switch self {
        case .notELF, .wrongMachine, .notProgram, .badProgramHeaders, .truncated, .badInterpreterName, .overlappingSegments:
            return .ENOEXEC
        case .noSegments, .segmentLargerInFileThanInMemory, .absurdSegment, .misalignedSegment, .absurdEntry:
            return .EINVAL
        case .outsideArena: return .ENOMEM
        }
    }

    var isFatal: Bool { errno != .ENOEXEC }
}
