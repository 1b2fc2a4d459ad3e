import CLibElf
import CShim
import GuestMemory
import LinuxABI

/// The headers of an ELF program or interpreter, checked: what elf(5) describes and the loader needs. Addresses are
/// link-time ones; those of a relocatable image get the load bias added.
public struct ELFImage {
    /// A PT_LOAD segment that occupies memory. address + memorySize does not wrap and fileSize <= memorySize.
    public struct Segment: Equatable {
        public let address: UInt64
        public let memorySize: UInt64
        public let offset: UInt64
        public let fileSize: UInt64
        /// PROT_* bits from p_flags.
        public let prot: Int32

        public var end: UInt64 { address &+ memorySize }
        var fileEnd: UInt64 { address &+ fileSize }
    }

    /// What a file is opened as. PT_INTERP and PT_GNU_STACK count in programs only.
    enum Role {
        case program
        case interpreter
    }

    /// ET_DYN: may be placed anywhere.
    public let isRelocatable: Bool
    public let entry: UInt64
    /// In the order of the headers, which is by address in every sane file.
    public let segments: [Segment]
    /// First page to the end of the last page of all segments.
    public let span: Range<UInt64>
    /// Largest power of two among the segments' p_align, at least a page: the load bias is a multiple of it.
    public let alignment: UInt64
    /// Address of the program headers in memory (AT_PHDR); 0 where no segment holds them, as Linux has it.
    public let programHeaders: UInt64
    public let programHeaderCount: UInt64
    /// PT_INTERP, without its NUL.
    public let interpreterPath: [UInt8]?
    /// PT_GNU_STACK asks for it. Without that header a stack is not executable on 64-bit machines.
    public let hasExecutableStack: Bool

    /// More than any 64-bit user space: sums and roundings of addresses below it cannot overflow.
    private static let addressLimit: UInt64 = 1 << 48
    /// PATH_MAX, NUL included.
    private static let longestInterpreterPath: UInt64 = 4096
}

/// Why parsing stops.
enum ELFParseError: Error {
    case defect(ImageError.Defect)
    /// The host could not read the file.
    case unreadable(GuestErrno)
}

extension ELFImage {
    /// Parses `file`, whose format is `.native`.
    init(file: ProgramFile, role: Role) throws(ELFParseError) {
        let table = try HeaderTable(file: file)
        defer { table.close() }
        let header = table.header
        isRelocatable = header.e_type == UInt16(ET_DYN)
        entry = header.e_entry
        programHeaderCount = UInt64(header.e_phnum)

        var segments: [Segment] = []
        segments.reserveCapacity(8)
        var interpreterPath: [UInt8]? = nil
        var hasExecutableStack = false
        var alignment = Arena.pageSize
        var programHeaders: UInt64 = 0
        for index in 0..<Int(header.e_phnum) {
            let program = try table.programHeader(index)
            switch program.p_type {
            case UInt32(PT_LOAD):
                let segment = try Self.segment(program, fileSize: file.size)
                // Where several hold the table the last counts, as in load_elf_binary().
                if header.e_phoff >= program.p_offset && header.e_phoff - program.p_offset < program.p_filesz {
                    programHeaders = header.e_phoff - program.p_offset &+ program.p_vaddr
                }
                if program.p_align.nonzeroBitCount == 1 { alignment = max(alignment, program.p_align) }
                if segment.memorySize > 0 { segments.append(segment) }
            case UInt32(PT_INTERP):
                // The first one counts.
                if role == .program && interpreterPath == nil {
                    interpreterPath = try Self.interpreterPath(program, file: file)
                }
            case UInt32(PT_GNU_STACK):
                hasExecutableStack = program.p_flags & UInt32(PF_X) != 0
            default:
                break
            }
        }
        guard let span = Self.span(of: segments) else { throw .defect(.noSegments) }
        guard !Self.overlap(segments) else { throw .defect(.overlappingSegments) }
        if isRelocatable {
            guard span.upperBound - span.lowerBound <= Arena.top - Arena.base, alignment <= Arena.top else {
                throw .defect(.absurdSegment)
            }
        } else {
            guard span.lowerBound >= Arena.base, span.upperBound <= Arena.top else { throw .defect(.outsideArena) }
        }
        guard header.e_entry <= Self.addressLimit else { throw .defect(.absurdEntry) }
        self.segments = segments
        self.span = span
        self.alignment = alignment
        self.programHeaders = programHeaders
        self.interpreterPath = interpreterPath
        self.hasExecutableStack = hasExecutableStack
    }

    /// A checked PT_LOAD. The checks are those of load_elf_binary(), elf_map() and do_mmap(), and that the file holds the pages.
    private static func segment(_ program: GElf_Phdr, fileSize: UInt64) throws(ELFParseError) -> Segment {
        guard program.p_filesz <= program.p_memsz else { throw .defect(.segmentLargerInFileThanInMemory) }
        let (end, wraps) = program.p_vaddr.addingReportingOverflow(program.p_memsz)
        guard !wraps, end <= addressLimit else { throw .defect(.absurdSegment) }
        if program.p_filesz > 0 {
            let (fileEnd, overflows) = program.p_offset.addingReportingOverflow(program.p_filesz)
            guard !overflows, fileEnd <= UInt64(Int64.max) - Arena.pageSize else { throw .defect(.absurdSegment) }
            guard (program.p_vaddr ^ program.p_offset) & (Arena.pageSize - 1) == 0 else {
                throw .defect(.misalignedSegment)
            }
            // A last page that the file holds only a part of is zero-filled; a page wholly beyond its end is a SIGBUS.
            guard Arena.pageUp(fileEnd) <= Arena.pageUp(min(fileSize, fileEnd)) else { throw .defect(.truncated) }
        }
        var prot: Int32 = 0
        if program.p_flags & UInt32(PF_R) != 0 { prot |= PROT_READ }
        if program.p_flags & UInt32(PF_W) != 0 { prot |= PROT_WRITE }
        if program.p_flags & UInt32(PF_X) != 0 { prot |= PROT_EXEC }
        return Segment(
            address: program.p_vaddr, memorySize: program.p_memsz, offset: program.p_offset, fileSize: program.p_filesz,
            prot: prot)
    }

    private static func interpreterPath(
        _ program: GElf_Phdr, file: ProgramFile
    ) throws(ELFParseError) -> [UInt8] {
        guard program.p_filesz >= 2, program.p_filesz <= longestInterpreterPath else {
            throw .defect(.badInterpreterName)
        }
        let length = Int(program.p_filesz)
        let bytes: [UInt8]
        do { bytes = try file.read(at: program.p_offset, count: length) } catch { throw .unreadable(error) }
        guard bytes.count == length else { throw .unreadable(.EIO) }
        guard bytes[length - 1] == 0 else { throw .defect(.badInterpreterName) }
        // The name is a C string: it ends at its first NUL.
        return Array(bytes.prefix { $0 != 0 })
    }

    private static func span(of segments: [Segment]) -> Range<UInt64>? {
        guard let first = segments.first else { return nil }
        var low = first.address
        var high = first.end
        for segment in segments {
            low = min(low, segment.address)
            high = max(high, segment.end)
        }
        return Arena.pageDown(low)..<Arena.pageUp(high)
    }

    /// Whether two segments claim the same byte. Sharing a page is allowed: the later header wins, as in Linux.
    private static func overlap(_ segments: [Segment]) -> Bool {
        var highest: UInt64 = 0
        for (index, segment) in segments.enumerated() {
            if segment.address < highest {
                for earlier in segments[..<index] where earlier.address < segment.end && segment.address < earlier.end {
                    return true
                }
            }
            highest = max(highest, segment.end)
        }
        return false
    }
}
