import Host

/// The host's processes.
public enum HostProcesses {
    /// All that /proc shows to the caller.
    public static func all() -> [Int32] {
        numbers(in: [UInt8]("/proc"))
    }

    /// The descriptors of one of them; none where the caller may not see them.
    public static func descriptors(of process: Int32) -> [Int32] {
        numbers(in: ProcessScope(process: process, thread: nil).path("fd"))
    }

    private static func numbers(in directory: [UInt8]) -> [Int32] {
        let names = (try? HostFile.list(directory)) ?? []
        return names.compactMap { $0[...].decimal }
    }
}
