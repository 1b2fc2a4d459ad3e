/// /proc/locks, proc_locks(5): of the host's locks those that members of the session hold or wait for.
struct LocksText {
    let isMember: (Int32) -> Bool
    /// The object that vmrun itself has locked, as this file writes it (`major:minor:inode`); empty for none.
    let own: [UInt8]

    /// The lines shown, numbered from 1 on; who waits for a lock has the number of the lock.
    func rewrite(_ host: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var number: UInt64 = 0
        var last: UInt64?
        var rest = host[...]
        while let line = rest.takeLine() {
            var fields = line
            guard let id = fields.take(until: UInt8(ascii: ":")).number, isShown(fields) else { continue }
            if id != last { number += 1 }
            last = id
            output.append(decimal: number)
            output.append(UInt8(ascii: ":"))
            output.append(contentsOf: fields)
            output.append(0x0a)
        }
        return output
    }

    /// Of ` [-> ]TYPE KIND ACCESS PID MAJOR:MINOR:INODE START END`. Locks of open files have no process, and nothing tells
    /// whose they are.
    private func isShown(_ line: ArraySlice<UInt8>) -> Bool {
        let fields = line.split(separator: 0x20, omittingEmptySubsequences: true)
        let first = fields.first?.equals("->") == true ? 1 : 0
        guard fields.count > first + 4, let process = fields[first + 3].decimal, isMember(process) else { return false }
        return !fields[first + 4].elementsEqual(own)
    }
}
