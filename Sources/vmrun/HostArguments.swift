import CShim

/// The words and the environment that vmrun was started with, as bytes.
enum HostArguments {
    /// The command line without vmrun's own name.
    static var words: [[UInt8]] {
        var result: [[UInt8]] = []
        guard let vector = vmrun_arguments else { return [] }
        var index = 1
        while index < Int(vmrun_argument_count), let word = vector[index] {
            result.append(bytes(word))
            index += 1
        }
        return result
    }

    static var environment: [[UInt8]] {
        var result: [[UInt8]] = []
        guard var cursor = vmrun_environment else { return [] }
        while let entry = cursor.pointee {
            result.append(bytes(entry))
            cursor += 1
        }
        return result
    }

    private static func bytes(_ text: UnsafeMutablePointer<CChar>) -> [UInt8] {
        let length = strlen(text)
        return UnsafeRawBufferPointer(start: text, count: length).map { $0 }
    }
}
