extension Options {
    /// The command that these words call; nil where the first is none of them.
    static func command(_ words: [[UInt8]]) throws(OptionError) -> Command? {
        guard let first = words.first else { return nil }
        if first.elementsEqual("doctor".utf8) {
            guard words.count == 1 else {
                throw OptionError("vmrun doctor takes no arguments; to run a program of that name: vmrun -- doctor")
            }
            return .doctor
        }
        if first.elementsEqual("root".utf8) { return .companion(program: .root, words: Array(words[1...])) }
        if first.elementsEqual("oci".utf8) { return .companion(program: .oci, words: Array(words[1...])) }
        return nil
    }
}
