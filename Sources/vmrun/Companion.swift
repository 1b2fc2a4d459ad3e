import CShim
import Host

/// A command that is a program of its own, which lies beside vmrun: it would make every start of vmrun larger.
enum Companion {
    static func become(_ name: String, _ words: [[UInt8]]) -> Never {
        guard let program = HostFile.beside(name) else {
            Message.fail("/proc is not mounted; vmrun needs it: mount -t proc proc /proc")
        }
        let vector = ExecWords([program] + words)
        let variables = ExecWords(ProgramWords.environment)
        let result = HostFile.with(program) { Host.raw(Int32(SYS_execve), $0, vector.address, variables.address) }
        Message.fail("\(HostFile.text(program)) cannot be started (errno \(-result)); it is installed together with vmrun")
    }
}
