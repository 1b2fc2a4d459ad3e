#if arch(x86_64)
import CShim

/// The code behind the guest's `syscall` (CShim/x86_64/shim.S): where its places are in the guest, and what the user's context is at
/// each of them.
enum FastCode {
    /// Where LSTAR points to.
    private static let start = ShimLayout.systemCallEntry

    /// Behind the OUT of a call that the host is to serve.
    @inline(__always)
    static var behindLeave: UInt64 { start + vmrun_fast_leave_out_offset() + ShimLayout.afterOut }

    /// Behind the OUT of one for which the poller takes long.
    @inline(__always)
    static var behindAwait: UInt64 { start + vmrun_fast_await_out_offset() + ShimLayout.afterOut }

    static func contains(_ rip: UInt64) -> Bool { rip &- start < vmrun_fast_end_offset() }

    /// Writes the code, and what is to be done with each system call.
    static func install(_ page: UnsafeMutableRawPointer, _ fastPath: (UInt32) -> FastPath) {
        page.copyMemory(from: vmrun_fast_code(), byteCount: Int(vmrun_fast_end_offset()))
        let kinds = page + Int(VMRUN_FAST_KINDS)
        var answer: UInt8 = 0
        for number in 0..<UInt32(VMRUN_FAST_NUMBERS) {
            let kind: UInt8
            switch fastPath(number) {
            case .exit: kind = UInt8(VMRUN_FAST_EXIT)
            case .forward: kind = UInt8(VMRUN_FAST_FORWARD)
            case .remember:
                answer += 1
                kind = answer < 64 ? answer : UInt8(VMRUN_FAST_EXIT)
            }
            kinds.storeBytes(of: kind, toByteOffset: Int(number), as: UInt8.self)
        }
    }

    /// Turns the registers of a vCPU that was stopped in the code into the user's. Where the call is done the context goes behind its
    /// `syscall`, otherwise back to it: what the code has done until then nobody has seen. The flags are in r11, but for where the code
    /// is entered by a jump.
    static func bringToUser(_ registers: UnsafeMutablePointer<kvm_regs>, _ page: UnsafeMutablePointer<vmrun_fast_page>) {
        let place = registers.pointee.rip &- start
        if place < vmrun_fast_jumped_offset() || place >= vmrun_fast_flags_kept_offset() {
            registers.pointee.rflags = registers.pointee.r11
        }
        registers.pointee.rflags = ShimLayout.userFlags(registers.pointee.rflags)
        if place >= vmrun_fast_jumped_offset() {
            if place >= vmrun_fast_stack_taken_offset() && place < vmrun_fast_flags_kept_offset() {
                registers.pointee.rsp = page.pointee.rsp
            }
            registers.pointee.rip = registers.pointee.rcx &- 2
            return
        }
        if place >= vmrun_fast_stack_switched_offset() && place < vmrun_fast_stack_restored_offset() {
            registers.pointee.rsp = page.pointee.rsp
        }
        if place >= vmrun_fast_data_saved_offset() { registers.pointee.rdx = page.pointee.rdx }
        registers.pointee.rip = registers.pointee.rcx
        if place == vmrun_fast_leave_out_offset() + ShimLayout.afterOut
            || place == vmrun_fast_await_out_offset() + ShimLayout.afterOut
            || (place >= vmrun_fast_answered_offset() && place < vmrun_fast_forward_offset())
        {
            return
        }
        let isPublished = place >= vmrun_fast_published_offset() && place < vmrun_fast_leave_offset()
            || place >= vmrun_fast_taken_offset()
        if isPublished {
            if page.pointee.state == UInt32(VMRUN_FAST_DONE) {
                registers.pointee.rax = page.pointee.rax
                return
            }
            page.pointee.state = UInt32(VMRUN_FAST_IDLE)
        }
        if place >= vmrun_fast_number_saved_offset() { registers.pointee.rax = page.pointee.rax }
        registers.pointee.rip &-= 2
    }
}
#endif
