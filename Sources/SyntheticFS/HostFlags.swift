import CShim

/// Flags that glibc's headers keep for _GNU_SOURCE, which Swift's view of them lacks.
enum HostFlags {
    static let O_PATH: Int32 = 0o10000000
    static let O_TMPFILE: Int32 = 0o20000000 | O_DIRECTORY
    static let MFD_CLOEXEC = 1
}
