import CShim
import Host
import KVM

/// The host's [vvar] and [vdso] pages, which the guest uses as its own: time costs it what it costs a native program.
public struct HostVDSO {
    /// The range that the guest gets to see, empty where the host has none.
    public let start: UInt64
    public let end: UInt64
    /// AT_SYSINFO_EHDR, 0 for none.
    public let header: UInt64

    /// The host's, where a guest of `system` has the host's clock; otherwise none, and the guest asks for the time by system calls.
    public init(_ system: KVMSystem) {
        self = system.sharesCounter ? HostVDSO() : HostVDSO(start: 0, end: 0, header: 0)
    }

    private init(start: UInt64, end: UInt64, header: UInt64) {
        self.start = start
        self.end = end
        self.header = header
    }

    /// Finds the range in /proc/self/maps. Only the lines named [vvar...] and [vdso] count: a page more would show the guest
    /// vmrun's own memory.
    private init() {
        var low: UInt64 = .max
        var high: UInt64 = 0
        var size = 8192
        var complete = false
        while !complete && size <= 1 << 20 {
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
            defer { buffer.deallocate() }
            let count = Self.readMaps(buffer)
            complete = count < size
            guard complete else {
                size *= 8
                continue
            }
            var lineStart = 0
            for index in 0..<count where buffer[index] == 0x0a {
                let line = UnsafeRawBufferPointer(rebasing: buffer[lineStart..<index])
                lineStart = index + 1
                guard Self.isVDSOLine(line), let range = Self.range(line) else { continue }
                low = min(low, range.start)
                high = max(high, range.end)
            }
        }
        let base = UInt64(vmrun_auxiliary_value(UInt(AT_SYSINFO_EHDR)))
        if base >= low && base < high {
            self.init(start: low, end: high, header: base)
        } else {
            self.init(start: 0, end: 0, header: 0)
        }
    }

    private static func readMaps(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        let descriptor = "/proc/self/maps".withCString {
            Host.raw(Int32(SYS_openat), Int(AT_FDCWD), $0.argument, Int(O_RDONLY | O_CLOEXEC))
        }
        guard descriptor >= 0 else { return 0 }
        defer { _ = Host.raw(Int32(SYS_close), descriptor) }
        var done = 0
        while done < buffer.count {
            let result = Host.raw(
                Int32(SYS_read), descriptor, Int(bitPattern: buffer.baseAddress) + done, buffer.count - done)
            if result <= 0 { break }
            done += result
        }
        return done
    }

    private static func isVDSOLine(_ line: UnsafeRawBufferPointer) -> Bool {
        guard line.last == UInt8(ascii: "]"), let bracket = line.lastIndex(of: UInt8(ascii: "[")) else { return false }
        let name = line[(bracket + 1)...]
        return name.starts(with: "vvar".utf8) || name.starts(with: "vdso".utf8)
    }

    /// `start-end` in hexadecimal at the beginning of a line.
    private static func range(_ line: UnsafeRawBufferPointer) -> (start: UInt64, end: UInt64)? {
        var values: (UInt64, UInt64) = (0, 0)
        var second = false
        for byte in line {
            let digit: UInt64
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = UInt64(byte - UInt8(ascii: "a")) + 10
            case UInt8(ascii: "-"):
                second = true
                continue
            default: return second ? values : nil
            }
            if second { values.1 = values.1 << 4 | digit } else { values.0 = values.0 << 4 | digit }
        }
        return nil
    }
}
