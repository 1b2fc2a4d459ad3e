extension FakeCredentials {
    /// What a process publishes of its credentials: all but the groups.
    public struct Summary: BitwiseCopyable {
        public var user: IDs
        public var group: IDs
        public var capabilities: Capabilities
    }

    public var summary: Summary { Summary(user: user, group: group, capabilities: capabilities) }

    // MARK: words

    // For the plan of an exec.
    private static let fixedWords = 15

    public var words: [UInt64] {
        [
            UInt64(user.real), UInt64(user.effective), UInt64(user.saved), UInt64(user.fileSystem),
            UInt64(group.real), UInt64(group.effective), UInt64(group.saved), UInt64(group.fileSystem),
            capabilities.permitted, capabilities.effective, capabilities.inheritable, capabilities.bounding,
            capabilities.ambient, UInt64(secureBits), UInt64(groups.count),
        ] + groups.map { UInt64($0) }
    }

    /// Nil where the words are not exactly one set of credentials.
    public init?(words: [UInt64]) {
        guard words.count >= Self.fixedWords, words[14] == UInt64(words.count - Self.fixedWords),
            words[14] <= UInt64(Self.groupsLimit)
        else { return nil }
        func id(_ index: Int) -> UInt32 { UInt32(truncatingIfNeeded: words[index]) }
        user = IDs(real: id(0), effective: id(1), saved: id(2), fileSystem: id(3))
        group = IDs(real: id(4), effective: id(5), saved: id(6), fileSystem: id(7))
        capabilities = Capabilities(
            permitted: words[8], effective: words[9], inheritable: words[10], bounding: words[11], ambient: words[12])
        secureBits = id(13)
        groups = words[Self.fixedWords...].map { UInt32(truncatingIfNeeded: $0) }
    }
}
