#if arch(x86_64)
import CShim
import GuestMemory
import LinuxABI

/// What a rewritten call site jumps to: `movabs $return address, %rcx; mov $number, %eax; jmp` into the code behind `syscall`. Its page belongs
/// to the machine, not to the guest's memory, so that a vCPU may stand in it whatever becomes of the site. A MOV from memory comes first instead, since
/// it may fault: nothing has changed then.
enum CallStub {
    private static let start = ShimLayout.systemCallEntry + UInt64(VMRUN_FAST_STUBS)
    private static let size = Int(VMRUN_FAST_STUB_SIZE)
    /// Of the immediate operand, which the form with a load has five bytes further on.
    private static let returnAddressOffset = 2
    private static let numberOffset = 11
    private static let jumpEnd = 20
    private static let loadSize = 5

    static func contains(_ rip: UInt64) -> Bool { rip &- start < UInt64(VMRUN_FAST_MOST_STUBS) * UInt64(size) }

    /// Writes stub `index`, which nobody jumps to yet.
    static func install(_ page: UnsafeMutableRawPointer, _ index: Int, _ site: CallSite) {
        let stub = page + index * size
        let end = start &+ UInt64(index * size + jumpEnd)
        let target = ShimLayout.systemCallEntry &+ vmrun_fast_jumped_offset()
        let isLoad = site.form == .loaded
        let address = returnAddressOffset + (isLoad ? loadSize : 0)
        stub.storeBytes(of: 0xb948, toByteOffset: address - 2, as: UInt16.self)
        stub.storeBytes(of: site.returnAddress, toByteOffset: address, as: UInt64.self)
        switch site.form {
        case .loaded:
            for byte in 0..<loadSize {
                stub.storeBytes(of: UInt8(truncatingIfNeeded: CallSite.load >> (UInt64(byte) * 8)), toByteOffset: byte, as: UInt8.self)
            }
        case .moved:
            stub.storeBytes(of: 0xb8, toByteOffset: numberOffset - 1, as: UInt8.self)
            stub.storeBytes(of: site.number, toByteOffset: numberOffset, as: UInt32.self)
        case .zeroed:
            // XOR, since it sets the flags, and a NOP of three bytes.
            for (offset, byte) in zeroing.enumerated() {
                stub.storeBytes(of: byte, toByteOffset: numberOffset - 1 + offset, as: UInt8.self)
            }
        }
        stub.storeBytes(of: 0xe9, toByteOffset: jumpEnd - 5, as: UInt8.self)
        stub.storeBytes(of: UInt32(truncatingIfNeeded: target &- end), toByteOffset: jumpEnd - 4, as: UInt32.self)
    }

    private static let zeroing: [UInt8] = [0x31, 0xc0, 0x0f, 0x1f, 0x00]

    /// Brings a context that stands in a stub to the site's `syscall`, which is still there: as if what was rewritten had been executed. RCX, which a
    /// system call destroys, may be destroyed already. Before a load it goes to the site's start, unless it has come there by a single step: that
    /// would be made for ever.
    static func bringToUser(_ registers: UnsafeMutablePointer<kvm_regs>, _ page: UnsafeMutableRawPointer, isStep: Bool) {
        let place = Int(registers.pointee.rip &- start) / size * size
        let stub = page + place
        let isLoad = stub.load(as: UInt8.self) == UInt8(truncatingIfNeeded: CallSite.load)
        let returnAddress = stub.loadUnaligned(
            fromByteOffset: returnAddressOffset + (isLoad ? loadSize : 0), as: UInt64.self)
        if isLoad {
            let isDone = registers.pointee.rip &- start != UInt64(place)
            if isDone || (isStep && load(registers)) {
                registers.pointee.rip = returnAddress &- 2
            } else {
                registers.pointee.rip = returnAddress &- 7
            }
            return
        }
        registers.pointee.rip = returnAddress &- 2
        if stub.load(fromByteOffset: numberOffset - 1, as: UInt8.self) == 0xb8 {
            registers.pointee.rax = UInt64(stub.loadUnaligned(fromByteOffset: numberOffset, as: UInt32.self))
        } else {
            zero(registers)
        }
    }

    /// What `mov 8(%rsp), %r9` does; false where it would fault.
    private static func load(_ registers: UnsafeMutablePointer<kvm_regs>) -> Bool {
        do throws(GuestErrno) {
            registers.pointee.r9 = try GuestAccess.read(UInt64.self, at: GuestAddress(registers.pointee.rsp &+ 8))
            return true
        } catch { return false }
    }

    /// What `xor %eax, %eax` does: ZF and PF are set; CF, AF, SF and OF are not.
    static func zero(_ registers: UnsafeMutablePointer<kvm_regs>) {
        registers.pointee.rax = 0
        registers.pointee.rflags = registers.pointee.rflags & ~0x8d5 | 0x44
    }
}

extension GuestMachine {
    /// Its page of stubs.
    var stubs: UnsafeMutableRawPointer {
        memory.pointer(tables.translate(ShimLayout.systemCallEntry + UInt64(VMRUN_FAST_STUBS)) ?? 0)
    }

    /// What jumps through slot `index` of the window makes the site's call from now on.
    public func installStub(_ index: Int, _ site: CallSite) {
        CallStub.install(stubs, index, site)
        if site.relay != nil { hasRelays = true }
    }

    /// Where slot `index` of the window leads.
    public static func stub(_ index: Int) -> UInt64 {
        ShimLayout.systemCallEntry + UInt64(VMRUN_FAST_STUBS) + UInt64(index) * UInt64(VMRUN_FAST_STUB_SIZE)
    }
}
#endif
