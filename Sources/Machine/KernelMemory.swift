import CShim
import Host
import KVM

/// Guest-physical memory that the guest's "kernel" side needs: page tables, descriptor tables, stubs, exception stacks. It is
/// vmrun's memory, outside the arena, at the low end of guest-physical space. Pages are handed out and never taken back.
final class KernelMemory {
    static let pageSize: UInt64 = 4096
    /// Small, because KVM's cost for a memslot grows with its size and most guests never need a second block.
    private static let blockSize: UInt64 = 4 << 20
    private static let maximumBlocks = 512
    /// Bytes of tables and stubs that a program with one thread needs, about.
    private static let bytesOfFirstCPU = 32 * Int(pageSize)

    private let vm: VirtualMachine
    private let allocateSlot: () -> UInt32
    /// Host address of each block; block i is at guest-physical i * blockSize.
    /// A fixed table, because it is read without the lock that guards its growth.
    private let blocks: UnsafeMutablePointer<UInt64>
    private var blockCount = 0
    private var next: UInt64 = 0
    /// Where the vDSO is in guest-physical space, if the first block has it at its beginning. Each memslot waits for a grace
    /// period of the host kernel's, so the two share one where the addresses behind the vDSO are free.
    private(set) var vdsoPhysical: UInt64?
    private var vdsoLength: UInt64 = 0

    init(_ vm: VirtualMachine, behind vdso: HostVDSO, allocateSlot: @escaping () -> UInt32) throws(MachineFailure) {
        self.vm = vm
        self.allocateSlot = allocateSlot
        blocks = .allocate(capacity: Self.maximumBlocks)
        blocks.initialize(repeating: 0, count: Self.maximumBlocks)
        if try !begin(behind: vdso) { try grow() }
    }

    /// Makes the first block so that it begins with the vDSO. False where that cannot be.
    private func begin(behind vdso: HostVDSO) throws(MachineFailure) -> Bool {
        let length = vdso.end - vdso.start
        guard Self.joinsVDSO, length > 0, length <= Self.blockSize / 2 else { return false }
        let wanted = Int(vdso.end), size = Int(Self.blockSize - length)
        let result = Host.raw(
            Int32(SYS_mmap), wanted, size, Int(PROT_READ | PROT_WRITE),
            Int(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE) | Self.fixedWhereFree, -1, 0)
        guard result == wanted else {
            // A kernel that does not know the flag takes the address for a wish.
            if result > 0 { _ = Host.raw(Int32(SYS_munmap), result, size) }
            return false
        }
        try add(mapping: UInt64(wanted), size, from: vdso.start)
        vdsoPhysical = 0
        vdsoLength = length
        next = length
        return true
    }

    private static var joinsVDSO: Bool { !PageTableEntry.breaksBeforeMake }
    /// MAP_FIXED_NOREPLACE
    private static let fixedWhereFree = 0x10_0000

    private func grow() throws(MachineFailure) {
        guard blockCount < Self.maximumBlocks else { throw .outOfMemory("guest page tables") }
        let result = Host.raw(
            Int32(SYS_mmap), 0, Int(Self.blockSize), Int(PROT_READ | PROT_WRITE),
            Int(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE), -1, 0)
        guard result > 0 else { throw .outOfMemory("guest page tables") }
        try add(mapping: UInt64(result), Int(Self.blockSize), from: UInt64(result))
    }

    /// Makes a block of the host addresses from `start` on, which ends with a new mapping of vmrun's.
    private func add(mapping: UInt64, _ size: Int, from start: UInt64) throws(MachineFailure) {
        // A fork child builds its own machine: copying these pages would be waste.
        _ = Host.raw(Int32(SYS_madvise), Int(mapping), size, Int(MADV_DONTFORK))
        // What the first vCPU needs. One by one each page would fault twice, for the look at an empty table and for its first entry.
        if blockCount == 0 { _ = Host.raw(Int32(SYS_madvise), Int(mapping), Self.bytesOfFirstCPU, Int(MADV_POPULATE_WRITE)) }
        do throws(HostError) {
            try vm.setMemoryRegion(
                slot: allocateSlot(), guestPhysical: UInt64(blockCount) * Self.blockSize, size: Self.blockSize, host: start)
        } catch {
            throw .kvm("KVM_SET_USER_MEMORY_REGION", error.number)
        }
        blocks[blockCount] = start
        blockCount += 1
    }

    /// Guest-physical address of `count` fresh zeroed pages in a row.
    func allocate(pages count: UInt64 = 1) throws(MachineFailure) -> UInt64 {
        let size = count * Self.pageSize
        if next % Self.blockSize + size > Self.blockSize { next = UInt64(blockCount) * Self.blockSize }
        if next + size > UInt64(blockCount) * Self.blockSize { try grow() }
        let address = next
        next += size
        return address
    }

    /// The host pointer behind a guest-physical address that `allocate` gave.
    @inline(__always)
    func pointer(_ guestPhysical: UInt64) -> UnsafeMutableRawPointer {
        // SAFETY: only addresses that came from `allocate` are passed, so the block exists.
        UnsafeMutableRawPointer(
            bitPattern: UInt(blocks[Int(guestPhysical / Self.blockSize)] + guestPhysical % Self.blockSize)
        ).unsafelyUnwrapped
    }

    /// The 512 entries of a page table.
    @inline(__always)
    func table(_ guestPhysical: UInt64) -> UnsafeMutablePointer<UInt64> {
        pointer(guestPhysical).assumingMemoryBound(to: UInt64.self)
    }

    /// In a fork child: the blocks were not inherited.
    func forget() { blockCount = 0 }

    func close() {
        for index in 0..<blockCount {
            let kept = index == 0 && vdsoPhysical != nil ? vdsoLength : 0
            _ = Host.raw(Int32(SYS_munmap), Int(blocks[index] + kept), Int(Self.blockSize - kept))
        }
        blockCount = 0
    }

    deinit {
        close()
        blocks.deallocate()
    }
}
