import GuestImage
import GuestMemory
import LinuxABI

/// The loader's view of an empty address space.
extension AddressSpace: ImageMapper {
    public var programBase: UInt64 { layout.pieBase }

    public func freeRange(
        length: UInt64, alignment: UInt64, placement: ImagePlacement
    ) throws(GuestErrno) -> UInt64 {
        switch placement {
        case .program: try freeRange(length: length, alignment: alignment, forProgram: true)
        case .mmapRegion: try freeRange(length: length, alignment: alignment, forProgram: false)
        }
    }

    public func setBreak(start: UInt64) throws(GuestErrno) -> UInt64 { setBreak(start: start, data: 0) }
}
