/// Which translator runs the programs of a foreign machine, as binfmt_misc does on a host. Empty by default.
public struct InterpreterRegistry {
    private struct Entry {
        let machine: UInt16
        let path: [UInt8]
    }

    private var entries: [Entry] = []

    public init() {}

    /// Programs whose ELF e_machine is `machine` run under the translator at the guest path `path`. The last call counts.
    public mutating func register(machine: UInt16, path: [UInt8]) {
        entries.removeAll { $0.machine == machine }
        entries.append(Entry(machine: machine, path: path))
    }

    /// The guest path of the translator, nil where there is none.
    public func translator(for machine: UInt16) -> [UInt8]? {
        for entry in entries where entry.machine == machine { return entry.path }
        return nil
    }
}
