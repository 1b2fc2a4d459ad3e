/// What a siginfo_t says, in the kernel's layout of 64-bit machines.
public struct SignalFields {
    let fields: Fields

    init(_ fields: Fields) { self.fields = fields }

    /// - Parameter bytes: the 128 of a siginfo_t.
    public init(bytes: UnsafeRawBufferPointer) { fields = Fields(Array(bytes)) }

    public var signal: Int32 { Int32(truncatingIfNeeded: fields.i32(0)) }
    var code: Int32 { Int32(truncatingIfNeeded: fields.i32(8)) }
}

extension TraceText {
    /// {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} and the like.
    public mutating func signalInformation(_ information: SignalFields) {
        let (signal, code) = (information.signal, information.code)
        text("{si_signo=")
        self.signal(signal)
        text(", si_code=")
        let isFault = code > 0 && code < 0x80 && (signal == 11 || signal == 7 || signal == 4 || signal == 8 || signal == 5)
        let names: Names
        switch signal {
        case 11 where isFault: names = NameSets.segmentationCodes
        case 7 where isFault: names = NameSets.busCodes
        case 4 where isFault: names = NameSets.instructionCodes
        case 8 where isFault: names = NameSets.arithmeticCodes
        case 5 where isFault: names = NameSets.trapCodes
        case 31 where code > 0 && code < 0x80: names = NameSets.refusalCodes
        case 17 where code > 0 && code < 0x80: names = NameSets.childCodes
        default: names = NameSets.signalCodes
        }
        if !names.writeName(of: UInt64(UInt32(bitPattern: code)), to: &self) { signed(Int64(code)) }
        if isFault {
            text(", si_addr=")
            pointer(information.fields.u64(16))
        } else if signal == 31 && code > 0 && code < 0x80 {
            text(", si_errno=")
            signed(information.fields.i32(4))
            text(", si_call_addr=")
            pointer(information.fields.u64(16))
            text(", si_syscall=")
            signed(information.fields.i32(24))
        } else if signal == 17 && code > 0 && code < 0x80 {
            sender(information)
            text(", si_status=")
            let status = information.fields.i32(24)
            // CLD_EXITED tells a status, the others a signal.
            if code == 1 { signed(status) } else { self.signal(Int32(status)) }
        } else if code == -2 {
            text(", si_timerid=")
            signed(information.fields.i32(16))
            text(", si_overrun=")
            signed(information.fields.i32(20))
        } else if code <= 0 {
            sender(information)
            if code == -1 {
                text(", si_value={int=")
                signed(information.fields.i32(24))
                text("}")
            }
        }
        text("}")
    }

    private mutating func sender(_ information: SignalFields) {
        text(", si_pid=")
        signed(information.fields.i32(16))
        text(", si_uid=")
        unsigned(information.fields.u32(20))
    }
}
