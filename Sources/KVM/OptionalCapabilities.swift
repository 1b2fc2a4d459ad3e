/// What vmrun makes use of where KVM has it.
public enum OptionalCapabilities {
    public struct Entry {
        public let number: Int32
        public let name: StaticString
        /// What guests are without.
        public let consequence: StaticString
        /// What to do about it.
        public let remedy: StaticString
    }

    public static func missing(_ system: KVMSystem) -> [Entry] { all.filter { system.capability($0.number) == 0 } }
}
