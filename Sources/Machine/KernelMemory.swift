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

    private let vm: VirtualMachine
    private let allocateSlot: () -> UInt32
    /// Host address of each block; block i is at guest-physical i * blockSize.
    /// A fixed table, because it is read without the lock that guards its growth.
    private let blocks: UnsafeMutablePointer<UInt64>
    private var blockCount = 0
    private var next: UInt64 = 0

    init(_ vm: VirtualMachine, allocateSlot: @escaping () -> UInt32) throws(MachineFailure) {
        self.vm = vm
        self.allocateSlot = allocateSlot
        blocks = .allocate(capacity: Self.maximumBlocks)
        blocks.initialize(repeating: 0, count: Self.maximumBlocks)
        try grow()
    }

    private func grow() throws(MachineFailure) {
        guard blockCount < Self.maximumBlocks else { throw .outOfMemory("guest page tables") }
        let result = Host.raw(
            Int32(SYS_mmap), 0, Int(Self.blockSize), Int(PROT_READ | PROT_WRITE),
            Int(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE), -1, 0)
        guard result > 0 else { throw .outOfMemory("guest page tables") }
        // A fork child builds its own machine: copying these pages would be waste.
        _ = Host.raw(Int32(SYS_madvise), result, Int(Self.blockSize), Int(MADV_DONTFORK))
        do throws(HostError) {
            try vm.setMemoryRegion(
                slot: allocateSlot(), guestPhysical: UInt64(blockCount) * Self.blockSize, size: Self.blockSize,
                host: UInt64(result))
        } catch {
            throw .kvm("KVM_SET_USER_MEMORY_REGION", error.number)
        }
        blocks[blockCount] = UInt64(result)
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
        for index in 0..<blockCount { _ = Host.raw(Int32(SYS_munmap), Int(blocks[index]), Int(Self.blockSize)) }
        blockCount = 0
    }

    deinit {
        close()
        blocks.deallocate()
    }
}
