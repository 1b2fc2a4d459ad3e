#if arch(arm64)
/// What KVM says of the processors it makes: nothing that takes long to ask.
enum ProcessorDescription {
    static func read(_ descriptor: Int32) throws(KVMUnavailable) -> [UInt8] { [] }
}
#endif
