/// Words as execve(2) takes them. They are never freed: whoever makes them has little more to do.
public struct ExecWords {
    private let pointers: UnsafeMutableBufferPointer<UnsafeMutablePointer<UInt8>?>

    public init(_ words: [[UInt8]]) {
        pointers = .allocate(capacity: words.count + 1)
        for (index, word) in words.enumerated() {
            let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: word.count + 1)
            copy.initialize(from: word + [0], count: word.count + 1)
            pointers[index] = copy
        }
        pointers[words.count] = nil
    }

    public var address: Int { Int(bitPattern: pointers.baseAddress) }
}
