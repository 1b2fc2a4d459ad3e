#if arch(x86_64)
import CShim

/// The GDT, IDT and stubs that all vCPUs of a machine share, and each vCPU's TSS with its exception stack.
enum SystemTables {
    /// Writes the shared pages and maps them.
    static func install(
        _ memory: KernelMemory, _ tables: PageTables, fastPath: (UInt32) -> FastPath
    ) throws(MachineFailure) {
        let first = try memory.allocate(pages: 5)
        let bits = PageTableEntry.supervisorPage
        try tables.mapPage(ShimLayout.gdt, physical: first, bits: bits | PageTableEntry.noExecute)
        try tables.mapPage(ShimLayout.idt, physical: first + 0x1000, bits: bits | PageTableEntry.noExecute)
        try tables.mapPage(ShimLayout.exceptionStubs, physical: first + 0x2000, bits: bits)
        // Ring 3 must be able to run it, and nobody to write it.
        try tables.mapPage(
            ShimLayout.systemCallEntry, physical: first + 0x3000, bits: PageTableEntry.readOnlyUserPage)

        try tables.mapPage(
            ShimLayout.systemCallEntry + UInt64(VMRUN_FAST_STUBS), physical: first + 0x4000,
            bits: PageTableEntry.readOnlyUserPage)

        let gdt = memory.table(first)
        for (index, descriptor) in ShimLayout.gdtEntries { gdt[index] = descriptor }

        let idt = memory.table(first + 0x1000)
        let stubs = memory.pointer(first + 0x2000)
        for vector in 0..<UInt64(256) {
            let handler = ShimLayout.exceptionStubs + vector * ShimLayout.stubSize
            // INT3 and INTO are the guest's to use; the other vectors are not reachable with INT n.
            let privilege: UInt64 = vector == ExceptionVector.breakpoint || vector == ExceptionVector.overflow ? 3 : 0
            idt[Int(vector) * 2] = (handler & 0xffff) | UInt64(ShimLayout.Selector.kernelCode) << 16
                | (0x8e | privilege << 5) << 40 | ((handler >> 16) & 0xffff) << 48
            idt[Int(vector) * 2 + 1] = handler >> 32
            let stub = stubs + Int(vector * ShimLayout.stubSize)
            stub.copyMemory(from: ShimLayout.outInstruction, byteCount: ShimLayout.outInstruction.count)
            // Never reached: the host resumes the guest elsewhere.
            stub.storeBytes(of: 0xf4, toByteOffset: ShimLayout.outInstruction.count, as: UInt8.self)
        }

        FastCode.install(memory.pointer(first + 0x3000), fastPath)
    }

    /// What a vCPU has of its own, by guest-physical addresses.
    struct PerCPU {
        /// TSS and exception stack.
        let stack: UInt64
        /// A top-level table that differs from the machine's in the branch of the shim.
        let root: UInt64
        /// `vmrun_fast_page`.
        let fast: UInt64
        /// What the code behind `syscall` does with each number; the same for all.
        let kinds: UInt64
    }

    /// Makes vCPU `index`'s pages.
    static func installPerCPU(
        _ index: Int, _ memory: KernelMemory, _ tables: PageTables
    ) throws(MachineFailure) -> PerCPU {
        let page = try memory.allocate()
        try tables.mapPage(
            ShimLayout.perCPUPage(index), physical: page, bits: PageTableEntry.supervisorPage | PageTableEntry.noExecute)
        let tss = memory.pointer(page)
        tss.storeBytes(of: ShimLayout.exceptionStackTop(index), toByteOffset: 4, as: UInt64.self)
        tss.storeBytes(of: ShimLayout.ioBitmapOffset, toByteOffset: 102, as: UInt16.self)
        let bitmap = tss + Int(ShimLayout.ioBitmapOffset)
        let bytes = Int(ShimLayout.port) / 8 + 2
        for byte in 0..<bytes { bitmap.storeBytes(of: 0xff, toByteOffset: byte, as: UInt8.self) }
        bitmap.storeBytes(
            of: ~(UInt8(1) << UInt8(ShimLayout.port % 8)), toByteOffset: Int(ShimLayout.port) / 8, as: UInt8.self)

        // Down to the branch the tables are copies. Below it all is shared but the one page.
        let own = try memory.allocate(pages: 5)
        let root = own, fast = own + 4 * 4096
        var source = tables.root, target = root
        for level: UInt64 in [4, 3, 2] {
            memory.pointer(target).copyMemory(from: memory.pointer(source), byteCount: 4096)
            let slot = memory.table(target) + PageTables.index(ShimLayout.fastPage, level: level)
            source = slot.pointee & PageTableEntry.addressMask
            target += 4096
            slot.pointee = target | PageTableEntry.table
        }
        memory.table(target)[PageTables.index(ShimLayout.fastPage, level: 1)] = fast | PageTableEntry.userPage
            | PageTableEntry.noExecute
        let code = tables.translate(ShimLayout.systemCallEntry) ?? 0
        return PerCPU(stack: page, root: root, fast: fast, kinds: code + UInt64(VMRUN_FAST_KINDS))
    }
}

#endif
