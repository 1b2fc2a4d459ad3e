import CommandLineOptions
import CShim
import Glibc
import GuestMemory
import Host
import LinuxABI

@testable import GuestImage
@testable import Process
@testable import Sysroot

/// What libFuzzer feeds with bytes, one for each program (`FUZZ_TARGET` names it). Each of them may refuse its input as it likes, and traps where vmrun
/// would have done something that it must not.
private enum Target {
    /// A program, or an interpreter of a sound one.
    static func elf(_ input: [UInt8]) {
        guard input.count > 1 else { return }
        let opener = FakeOpener()
        var sound = ELFBuilder.program(base: 0x3100_6700_0000, bss: 0, dynamic: true)
        sound.addInterpreter(bytes("/ld.so\0"))
        let content = Array(input.dropFirst())
        opener.files["/p"] = input[0] & 1 == 0 ? content : sound.build()
        opener.files["/ld.so"] = content
        let mapper = FakeMapper(window: 0x3100_0000_0000, isReal: false)
        do throws(ImageError) {
            let program = try PreparedProgram.prepare(
                .path(bytes("/p")), argv: [bytes("p")], envp: [], opener: opener, registry: InterpreterRegistry(), limits: usualLimits)
            _ = try Loader.load(program, into: mapper, context: context())
        } catch {
            precondition(error.errno.number > 0 && !error.sentence(program: []).isEmpty)
        }
        for mapping in mapper.mappings {
            precondition(mapping.address >= 0x10000 && mapping.address % 4096 == 0 && mapping.length > 0 && mapping.length % 4096 == 0)
            precondition(mapping.address <= Arena.top && mapping.length <= Arena.top - mapping.address)
        }
    }

    /// Bytes of an exec plan, and of what is in it.
    static func plan(_ input: [UInt8]) {
        if let plan = ExecPlan(decoding: input) {
            // What was understood is written as it was read.
            precondition(ExecPlan(decoding: plan.encoded())?.encoded() == plan.encoded())
        }
        _ = RootConfiguration(decoding: input)
        _ = InterpreterRegistry(words: input.split(separator: 0, omittingEmptySubsequences: false).map(Array.init))
    }

    /// Messages on the socket of a hand-over: a length, so many bytes, and so on. Half of them bring descriptors.
    static func handOver(_ input: [UInt8]) {
        guard let pair = try? ForkIPC.socketPair() else { return }
        let before = openDescriptors()
        var rest = input[...]
        while let length = rest.popFirst() {
            let message = ForkIPCMessage()
            for byte in rest.prefix(Int(length)) { message.put(byte) }
            if length & 1 == 0 { message.attach(pair.sending) }
            rest = rest.dropFirst(Int(length))
            if message.send(over: pair.sending) < 0 { break }
        }
        do throws(ForkIPCError) {
            let handOver = try ForkIPC.receive(.exec, from: pair.receiving)
            for entry in handOver.descriptors { Host.close(entry.number) }
        } catch {
            precondition(openDescriptors() == before, "a descriptor stayed")
        }
        Host.close(pair.sending)
        Host.close(pair.receiving)
    }

    private static func openDescriptors() -> Int {
        (0..<64).reduce(0) { $0 + (Host.raw(Int32(SYS_fcntl), $1, Int(F_GETFD)) >= 0 ? 1 : 0) }
    }

    /// Words of a command line.
    static func options(_ input: [UInt8]) {
        do throws(OptionError) {
            let options = try Options.parse(input.split(separator: 0, omittingEmptySubsequences: false).map(Array.init))
            if case .run(let program, _) = options.command { precondition(!program.isEmpty || options.helperDescriptor != nil) }
        } catch {
            precondition(!error.sentence.isEmpty)
        }
    }

    /// A link's content and a path that leads through it: nothing outside the root is ever opened.
    static func path(_ input: [UInt8]) {
        let parts = input.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false).map(Array.init)
        let link = tree.root + "/d/link"
        unlink(link)
        if parts.count > 1, !parts[1].isEmpty, !parts[1].contains(0) {
            symlink(String(decoding: parts[1], as: UTF8.self), link)
        }
        guard let descriptor = try? files.openForReading(parts[0]) else { return }
        var status = stat()
        fstat(descriptor, &status)
        precondition(status.st_ino != outside, "a file outside the root was opened")
        Host.close(descriptor)
    }

    private static let tree: TestTree = {
        let tree = TestTree()
        tree.directory("d")
        tree.directory("d/e")
        tree.file("d/e/file", "inside")
        tree.link("d/up", "..")
        tree.link("d/root", "/")
        tree.outside("secret", "outside")
        return tree
    }()
    private static let files = tree.context()
    private static let outside: ino_t = {
        var status = stat()
        stat(tree.base + "/secret", &status)
        return status.st_ino
    }()
}

private let chosen: ([UInt8]) -> Void = {
    switch getenv("FUZZ_TARGET").map({ String(cString: $0) }) {
    case "elf":
        vmrun_install_handlers()
        return Target.elf
    case "plan": return Target.plan
    case "hand-over": return Target.handOver
    case "options": return Target.options
    case "path": return Target.path
    default: fatalError("FUZZ_TARGET is elf, plan, hand-over, options or path")
    }
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    chosen(Array(UnsafeBufferPointer(start: data, count: count)))
    return 0
}

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ body: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt

/// What SwiftPM has `main` be, in the place of libFuzzer's.
@_cdecl("fuzz_main")
public func fuzzMain(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var count = count
    var arguments = arguments
    return runDriver(&count, &arguments) { fuzzOneInput($0, $1) }
}
