import CLibElf
import CShim
import LinuxABI

/// The ELF header and the program headers of a file, decoded by libelf.
///
/// libelf sees a copy that holds nothing else: a loader has no business with the section tables of an untrusted file, for which
/// libelf would read and allocate as much as they claim. The identification bytes that Linux ignores are set to what it assumes.
struct HeaderTable {
    let header: GElf_Ehdr
    private let elf: OpaquePointer
    private let storage: UnsafeMutableRawBufferPointer

    private static let headerSize = MemoryLayout<Elf64_Ehdr>.size
    private static let entrySize = MemoryLayout<Elf64_Phdr>.size
    /// What load_elf_phdrs() takes at most.
    private static let largestTable = 65536

    /// Reads the tables of `file`. Whoever gets a HeaderTable closes it.
    init(file: ProgramFile) throws(ELFParseError) {
        var raw = Elf64_Ehdr()
        withUnsafeMutableBytes(of: &raw) { $0.copyBytes(from: file.head.prefix(Self.headerSize)) }
        guard raw.e_type == UInt16(ET_EXEC) || raw.e_type == UInt16(ET_DYN) else {
            throw .defect(.notProgram(type: raw.e_type))
        }
        let tableSize = Int(raw.e_phnum) * Self.entrySize
        guard Int(raw.e_phentsize) == Self.entrySize, tableSize > 0, tableSize <= Self.largestTable else {
            throw .defect(.badProgramHeaders)
        }
        let entries: [UInt8]
        do { entries = try file.read(at: raw.e_phoff, count: tableSize) } catch { throw .defect(.badProgramHeaders) }
        guard entries.count == tableSize else { throw .defect(.truncated) }
        let tableOffset = raw.e_phoff

        raw.e_phoff = UInt64(Self.headerSize)
        raw.e_shoff = 0
        raw.e_shnum = 0
        raw.e_shstrndx = 0
        withUnsafeMutableBytes(of: &raw.e_ident) { ident in
            ident[Int(EI_CLASS)] = UInt8(ELFCLASS64)
            ident[Int(EI_DATA)] = UInt8(ELFDATA2LSB)
            ident[Int(EI_VERSION)] = UInt8(EV_CURRENT)
        }
        let storage = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.headerSize + tableSize, alignment: MemoryLayout<Elf64_Ehdr>.alignment)
        withUnsafeBytes(of: raw) { storage.copyMemory(from: $0) }
        UnsafeMutableRawBufferPointer(rebasing: storage[Self.headerSize...]).copyBytes(from: entries)

        _ = elf_version(UInt32(EV_CURRENT))
        var header = GElf_Ehdr()
        // SAFETY: storage outlives the descriptor that refers to it (see close), and libelf only reads it.
        guard let elf = elf_memory(storage.baseAddress?.assumingMemoryBound(to: CChar.self), storage.count) else {
            storage.deallocate()
            throw .defect(.badProgramHeaders)
        }
        guard gelf_getehdr(elf, &header) != nil, header.e_phnum == raw.e_phnum else {
            elf_end(elf)
            storage.deallocate()
            throw .defect(.badProgramHeaders)
        }
        header.e_phoff = tableOffset
        self.header = header
        self.elf = elf
        self.storage = storage
    }

    /// Program header `index`, below header.e_phnum.
    func programHeader(_ index: Int) throws(ELFParseError) -> GElf_Phdr {
        var result = GElf_Phdr()
        guard gelf_getphdr(elf, Int32(truncatingIfNeeded: index), &result) != nil else {
            throw .defect(.badProgramHeaders)
        }
        return result
    }

    func close() {
        elf_end(elf)
        storage.deallocate()
    }
}
