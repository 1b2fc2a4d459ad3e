import CShim

/// The words and the environment that this program was started with, as bytes.
public enum ProgramWords {
    /// The command line without the program's own name.
    public static var arguments: [[UInt8]] { Array(words(vmrun_arguments).dropFirst()) }

    public static var environment: [[UInt8]] { words(vmrun_environment) }

    private static func words(_ vector: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> [[UInt8]] {
        var result: [[UInt8]] = []
        guard var cursor = vector else { return result }
        while let word = cursor.pointee {
            result.append(UnsafeRawBufferPointer(start: word, count: strlen(word)).map { $0 })
            cursor += 1
        }
        return result
    }
}
