import LinuxABI

/// Where a range of free guest addresses shall come from.
public enum ImagePlacement {
    /// Where the kernel puts a position-independent program (ELF_ET_DYN_BASE): room for its break above it.
    case program
    /// The mmap region, top-down: an interpreter, or a static program that is position independent. Never right above a
    /// program, whose break it would cap.
    case mmapRegion
}

/// The address space under construction, as the loader sees it. It is empty, and no guest thread runs in it yet.
public protocol ImageMapper: AnyObject {
    /// A private file mapping at exactly [address, address + length), as mmap(2) with MAP_PRIVATE | MAP_FIXED. All page aligned.
    func mapFile(
        address: UInt64, length: UInt64, prot: Int32, descriptor: Int32, offset: UInt64
    ) throws(GuestErrno)

    /// As mapFile, with zeroed pages of no file: MAP_ANONYMOUS.
    func mapAnonymous(address: UInt64, length: UInt64, prot: Int32) throws(GuestErrno)

    /// A free range of `length` bytes whose start is a multiple of `alignment` (a power of two, at least a page). Nothing need
    /// be mapped there: the loader maps into it before it asks for anything else. ENOMEM where there is none.
    func freeRange(length: UInt64, alignment: UInt64, placement: ImagePlacement) throws(GuestErrno) -> UInt64

    /// Maps the first thread's stack, `length` bytes (a multiple of the page size) below the stack top, private, anonymous,
    /// MAP_NORESERVE. Returns its end.
    func mapStack(length: UInt64, prot: Int32) throws(GuestErrno) -> UInt64

    /// Where position-independent programs begin, and the break of a static one that lives in the mmap region.
    var programBase: UInt64 { get }

    /// Where the break may begin: a page-aligned address above the image. The mapper may move it up, as
    /// arch_randomize_brk() does, and answers where it is.
    func setBreak(start: UInt64) throws(GuestErrno) -> UInt64
}
