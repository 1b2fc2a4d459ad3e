import CShim
import Host

/// A program of this machine's, run as a child.
struct HostTool {
    let path: [UInt8]

    /// Where administrators' programs are, which is not in everybody's PATH.
    private static let folders = ["/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"]

    init(path: [UInt8]) { self.path = path }

    /// The program of this name; nil where there is none.
    init?(named name: String) {
        for folder in Self.folders {
            let path = Array((folder + name).utf8)
            if HostFile.with(path, { Host.raw(Int32(SYS_faccessat), Int(AT_FDCWD), $0, Int(X_OK)) }) == 0 {
                self.path = path
                return
            }
        }
        return nil
    }

    /// Runs it and waits for it. What it prints goes to `output`, piece by piece. With `ownMounts` the mounts that it makes end
    /// with it. Gives its exit status, 128+N where signal N ended it, or -errno where it could not be started.
    func run(_ arguments: [[UInt8]], environment: [[UInt8]], ownMounts: Bool, output: (ArraySlice<UInt8>) -> Void) -> Int {
        let pipe: (reading: Int32, writing: Int32)
        do throws(HostError) { pipe = try Host.pipe() } catch { return -Int(error.number) }
        let words = ExecWords([path] + arguments)
        let variables = ExecWords(environment)
        let child = vmrun_fork()
        if child == 0 {
            become(words, variables, output: Int(pipe.writing), ownMounts: ownMounts)
        }
        _ = Host.raw(Int32(SYS_close), Int(pipe.writing))
        defer { _ = Host.raw(Int32(SYS_close), Int(pipe.reading)) }
        guard child > 0 else { return child }

        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = chunk.withUnsafeMutableBytes {
                Host.raw(Int32(SYS_read), Int(pipe.reading), Int(bitPattern: $0.baseAddress), $0.count)
            }
            if count == -Int(EINTR) { continue }
            if count <= 0 { break }
            output(chunk[..<count])
        }
        var status: Int32 = 0
        while withUnsafeMutablePointer(to: &status, { Host.raw(Int32(SYS_wait4), child, $0.argument, 0, 0) }) == -Int(EINTR) {}
        return status & 0x7f == 0 ? Int(status >> 8 & 0xff) : 128 + Int(status & 0x7f)
    }

    /// The child's part. Ends with 127 where the program cannot be started.
    private func become(_ words: ExecWords, _ variables: ExecWords, output: Int, ownMounts: Bool) -> Never {
        if ownMounts, Host.raw(Int32(SYS_unshare), Int(CLONE_NEWNS)) == 0 {
            // MS_REC and MS_PRIVATE: mount(2).
            let flags = 0x4000 | 1 << 18
            _ = "none".withCString { none in "/".withCString { Host.raw(Int32(SYS_mount), none.argument, $0.argument, 0, flags, 0) } }
        }
        let input = HostFile.open(Array("/dev/null".utf8), O_RDONLY)
        _ = Host.raw(Int32(SYS_dup3), input, 0, 0)
        _ = Host.raw(Int32(SYS_dup3), output, 1, 0)
        _ = Host.raw(Int32(SYS_dup3), output, 2, 0)
        _ = HostFile.with(path) { Host.raw(Int32(SYS_execve), $0, words.address, variables.address) }
        while true { _ = Host.raw(Int32(SYS_exit_group), 127) }
    }
}
