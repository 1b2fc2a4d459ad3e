#if arch(arm64)
import CShim

/// The shim's pages, which all vCPUs of a machine share, and the page of each vCPU.
enum SystemTables {
    /// Writes the shared pages and maps them.
    static func install(
        _ memory: KernelMemory, _ tables: PageTables, fastPath: (UInt32) -> FastPath
    ) throws(MachineFailure) {
        let upper = try PageTables(memory)
        tables.upperRoot = upper.root
        let code = try memory.allocate()
        memory.pointer(code).copyMemory(from: vmrun_shim_code(), byteCount: Int(vmrun_shim_size()))
        try upper.mapPage(ShimLayout.vectors, physical: code, bits: PageTableEntry.shimCode)
        try upper.mapPage(ShimLayout.doorbell, physical: ShimLayout.doorbellPhysical, bits: PageTableEntry.doorbell)

        let sigreturn = try memory.allocate()
        memory.pointer(sigreturn).copyMemory(from: vmrun_sigreturn_code(), byteCount: Int(vmrun_sigreturn_size()))
        try tables.mapPage(ShimLayout.sigreturn, physical: sigreturn, bits: PageTableEntry.readOnlyUserPage)
    }

    /// Makes vCPU `index`'s pages; the guest-physical address of the first one.
    static func installPerCPU(
        _ index: Int, pages: UInt64, _ memory: KernelMemory, _ tables: PageTables
    ) throws(MachineFailure) -> UInt64 {
        let first = try memory.allocate(pages: pages)
        let upper = PageTables(memory, root: tables.upperRoot)
        for page in 0..<pages {
            let offset = page * KernelMemory.pageSize
            try upper.mapPage(ShimLayout.perCPUPage(index) + offset, physical: first + offset, bits: PageTableEntry.shimData)
        }
        return first
    }
}
#endif
