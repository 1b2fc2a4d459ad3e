#if arch(x86_64)
import CShim

/// The GDT, IDT and stubs that all vCPUs of a machine share, and each vCPU's TSS with its exception stack.
enum SystemTables {
    /// Writes the shared pages and maps them.
    static func install(_ memory: KernelMemory, _ tables: PageTables) throws(MachineFailure) {
        let first = try memory.allocate(pages: 4)
        let bits = PageTableEntry.supervisorPage
        try tables.mapPage(ShimLayout.gdt, physical: first, bits: bits | PageTableEntry.noExecute)
        try tables.mapPage(ShimLayout.idt, physical: first + 0x1000, bits: bits | PageTableEntry.noExecute)
        try tables.mapPage(ShimLayout.exceptionStubs, physical: first + 0x2000, bits: bits)
        // Ring 3 must be able to run it, and nobody to write it.
        try tables.mapPage(
            ShimLayout.systemCallEntry, physical: first + 0x3000, bits: PageTableEntry.readOnlyUserPage)

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

        let entry = memory.pointer(first + 0x3000)
        let code: [UInt8] = ShimLayout.outInstruction + [0x48, 0x0f, 0x07]  // out; sysretq
        entry.copyMemory(from: code, byteCount: code.count)
    }

    /// Makes vCPU `index`'s page; its guest-physical address.
    static func installPerCPU(
        _ index: Int, _ memory: KernelMemory, _ tables: PageTables
    ) throws(MachineFailure) -> UInt64 {
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
        return page
    }
}

#endif
