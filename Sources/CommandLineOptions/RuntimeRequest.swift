/// The command line of an OCI runtime: options, a command, a container's id and what follows it, in any order.
public struct RuntimeRequest {
    public var bundle: [UInt8] = Array(".".utf8)
    public var stateRoot: [UInt8]? = nil
    public var pidFile: [UInt8]? = nil
    public var consoleSocket: [UInt8]? = nil
    /// How many descriptors from number 3 on the program gets.
    public var preservedDescriptors = 0
    public var isForced = false
    public var log: [UInt8]? = nil
    public var logsJSON = false
    public var isVersion = false
    /// The command and what follows it.
    public var words: [[UInt8]] = []

    public init(_ arguments: [[UInt8]]) throws(OptionError) {
        if arguments.count == 1, arguments[0].elementsEqual("--version".utf8) {
            isVersion = true
            return
        }
        var reader = OptionReader(arguments, group: .oci)
        while true {
            while let (name, spelling, value) = try reader.next() {
                switch name {
                case .bundle: bundle = value
                case .stateRoot: stateRoot = value
                case .pidFile: pidFile = value
                case .consoleSocket: consoleSocket = value
                case .preserveFds:
                    guard let count = Options.number(value), count < 1024 else {
                        throw OptionError(Options.text(spelling) + " takes a number of descriptors, not " + Options.text(value[...]))
                    }
                    preservedDescriptors = Int(count)
                case .force: isForced = true
                case .log: log = value
                case .logFormat: logsJSON = value.elementsEqual("json".utf8)
                default: break
                }
            }
            guard let word = reader.operand() else { return }
            words.append(word)
        }
    }
}
