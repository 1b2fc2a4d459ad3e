import CShim
import Host
import Process
import Syscalls
import Tracing

/// `--trace`, from the command line to what each process of the session knows of it.
enum Tracer {
    /// Opens where the trace goes. Ends vmrun with a sentence where an option cannot be followed.
    static func settings(set: [UInt8], output: [UInt8]?, size: UInt64) -> TraceSettings {
        var settings = TraceSettings()
        settings.limit = Int(clamping: size)
        settings.beginning = Clock.monotonic()
        if !set.isEmpty {
            var unknown: [UInt8] = []
            guard let selection = CallSelection.named(set, unknown: &unknown) else {
                Message.fail(
                    "--trace: there is no system call or family named \(HostFile.text(unknown)); docs/syscalls.md lists the calls, "
                        + "the families are %file, %process, %memory, %network, %signal and %desc")
            }
            settings.selection = selection
        }
        guard let output else {
            // The guest may close its own, or give the number to something else.
            settings.descriptor = InternalDescriptors.duplicate(2)
            if settings.descriptor < 0 { Message.fail("--trace needs standard error, or a file by --trace-output") }
            return settings
        }
        if contains(output, "%p") {
            let slash = output.lastIndex(of: UInt8(ascii: "/"))
            let directory = slash.map { Array(output[...$0]) } ?? [UInt8(ascii: ".")]
            settings.name = slash.map { Array(output[($0 + 1)...]) } ?? output
            if !contains(settings.name, "%p") { Message.fail("--trace-output \(HostFile.text(output)): %p can be in the file's name only") }
            settings.descriptor = open(directory, Int32(VMRUN_O_PATH) | O_DIRECTORY, what: output)
        } else {
            settings.descriptor = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOCTTY, what: output)
        }
        return settings
    }

    private static func contains(_ bytes: [UInt8], _ mark: StaticString) -> Bool {
        mark.withUTF8Buffer { mark in
            bytes.indices.contains { bytes[$0...].starts(with: mark) }
        }
    }

    private static func open(_ path: [UInt8], _ flags: Int32, what: [UInt8]) -> Int32 {
        let result = HostFile.open(path, flags, mode: 0o666)
        if result < 0 { Message.fail("--trace-output \(HostFile.text(what)) cannot be opened for writing (errno \(-result))") }
        return InternalDescriptors.adopt(Int32(truncatingIfNeeded: result))
    }
}
