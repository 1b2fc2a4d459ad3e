#if arch(x86_64)
import CShim

/// What a rewritten call site jumps to: `movabs $return address, %rcx; mov $number, %eax; jmp` into the code behind `syscall`. Its page belongs
/// to the machine, not to the guest's memory, so that a vCPU may stand in it whatever becomes of the site.
enum CallStub {
    private static let start = ShimLayout.systemCallEntry + UInt64(VMRUN_FAST_STUBS)
    private static let size = Int(VMRUN_FAST_STUB_SIZE)
    private static let returnAddressOffset = 2
    private static let numberOffset = 11
    private static let jumpEnd = 20

    static func contains(_ rip: UInt64) -> Bool { rip &- start < UInt64(VMRUN_FAST_MOST_STUBS) * UInt64(size) }

    /// Writes stub `index`, which nobody jumps to yet.
    static func install(_ page: UnsafeMutableRawPointer, _ index: Int, number: UInt32, returnAddress: UInt64) {
        let stub = page + index * size
        let end = start &+ UInt64(index * size + jumpEnd)
        let target = ShimLayout.systemCallEntry &+ vmrun_fast_jumped_offset()
        stub.storeBytes(of: 0xb948, as: UInt16.self)
        stub.storeBytes(of: returnAddress, toByteOffset: returnAddressOffset, as: UInt64.self)
        stub.storeBytes(of: 0xb8, toByteOffset: numberOffset - 1, as: UInt8.self)
        stub.storeBytes(of: number, toByteOffset: numberOffset, as: UInt32.self)
        stub.storeBytes(of: 0xe9, toByteOffset: jumpEnd - 5, as: UInt8.self)
        stub.storeBytes(of: UInt32(truncatingIfNeeded: target &- end), toByteOffset: jumpEnd - 4, as: UInt32.self)
    }

    /// Brings a context that stands in a stub to the site's `syscall`, which is still there behind the number: as if what was rewritten had
    /// been a MOV. RCX, which a system call destroys, may be destroyed already.
    static func bringToUser(_ registers: UnsafeMutablePointer<kvm_regs>, _ page: UnsafeMutableRawPointer) {
        let stub = page + Int((registers.pointee.rip &- start) / UInt64(size)) * size
        registers.pointee.rip = stub.loadUnaligned(fromByteOffset: returnAddressOffset, as: UInt64.self) &- 2
        registers.pointee.rax = UInt64(stub.loadUnaligned(fromByteOffset: numberOffset, as: UInt32.self))
    }
}

extension GuestMachine {
    /// Its page of stubs.
    var stubs: UnsafeMutableRawPointer {
        memory.pointer(tables.translate(ShimLayout.systemCallEntry + UInt64(VMRUN_FAST_STUBS)) ?? 0)
    }

    /// What jumps through slot `index` of the window makes the call `number` from now on, and goes on at `returnAddress`.
    public func installStub(_ index: Int, number: UInt32, returnAddress: UInt64) {
        CallStub.install(stubs, index, number: number, returnAddress: returnAddress)
    }

    /// Where slot `index` of the window leads.
    public static func stub(_ index: Int) -> UInt64 {
        ShimLayout.systemCallEntry + UInt64(VMRUN_FAST_STUBS) + UInt64(index) * UInt64(VMRUN_FAST_STUB_SIZE)
    }
}
#endif
