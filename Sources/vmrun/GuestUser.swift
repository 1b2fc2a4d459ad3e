import CShim
import CommandLineOptions
import FakeRoot
import Host
import LinuxABI
import Sysroot

/// The user that `--user` names, by the guest's own /etc/passwd and /etc/group (passwd(5), group(5)).
struct GuestUser {
    let user: UInt32
    let group: UInt32
    /// As initgroups(3) would set them.
    let groups: [UInt32]

    /// Ends with a sentence where nobody is meant.
    init(_ wanted: Options.User, in files: FileSystemContext) {
        let passwd = Self.lines(of: "/etc/passwd", files)
        let groupLines = Self.lines(of: "/etc/group", files)
        let entry = Self.entry(wanted.user, in: passwd)
        guard let user = entry.flatMap({ Self.number($0, 2) }) ?? Self.number(wanted.user[...]) else {
            Message.fail("--user \(Self.text(wanted.user)): the guest's /etc/passwd knows no such user; a number needs no entry")
        }
        var group = entry.flatMap { Self.number($0, 3) }
        if let named = wanted.group {
            group = Self.entry(named, in: groupLines).flatMap { Self.number($0, 2) } ?? Self.number(named[...])
            if group == nil {
                Message.fail("--user: the guest's /etc/group knows no group \(Self.text(named)); a number needs no entry")
            }
        }
        guard let group else {
            Message.fail(
                "--user \(Self.text(wanted.user)): the guest's /etc/passwd tells no group for this user;"
                    + " give one: --user \(Self.text(wanted.user)):GROUP")
        }
        self.user = user
        self.group = group
        var groups = [group]
        if let name = entry?.first {
            for line in groupLines where line.count > 3 {
                let members = line[3].split(separator: UInt8(ascii: ","))
                if members.contains(where: { $0.elementsEqual(name) }), let number = Self.number(line, 2), !groups.contains(number) {
                    groups.append(number)
                }
            }
        }
        self.groups = groups
    }

    /// Makes the calling process the user's, for good. Ends with a sentence where vmrun may not.
    func become() {
        let isAlready =
            Host.raw(Int32(SYS_getuid)) == Int(user) && Host.raw(Int32(SYS_geteuid)) == Int(user)
            && Host.raw(Int32(SYS_getgid)) == Int(group) && Host.raw(Int32(SYS_getegid)) == Int(group)
        let result = groups.withUnsafeBufferPointer {
            Host.raw(Int32(SYS_setgroups), $0.count, Int(bitPattern: $0.baseAddress))
        }
        if result < 0 && isAlready { return }
        let (user, group) = (Int(user), Int(group))
        guard result == 0, Host.raw(Int32(SYS_setresgid), group, group, group) == 0,
            Host.raw(Int32(SYS_setresuid), user, user, user) == 0
        else {
            Message.fail("--user \(user):\(group) needs root's rights; with --fakeroot the guest only believes to be that user")
        }
        // The change of user has shut the process's own /proc entries, which are this user's now.
        _ = Host.raw(Int32(SYS_prctl), Int(PR_SET_DUMPABLE), 1, 0, 0, 0)
    }

    // MARK: Files

    private typealias Line = [ArraySlice<UInt8>]

    private static func lines(of path: StaticString, _ files: FileSystemContext) -> [Line] {
        guard let descriptor = try? files.openForReading([UInt8](path)) else { return [] }
        defer { Host.close(descriptor) }
        var content: [UInt8] = []
        var count = 0
        repeat {
            count = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
                let read = Host.raw(Int32(SYS_read), Int(descriptor), Int(bitPattern: buffer.baseAddress), buffer.count)
                if read > 0 { content.append(contentsOf: buffer[..<read]) }
                return read
            }
        } while count > 0
        return content.split(separator: UInt8(ascii: "\n")).map {
            $0.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        }
    }

    /// By name, or else by number.
    private static func entry(_ wanted: [UInt8], in lines: [Line]) -> Line? {
        if let line = lines.first(where: { $0[0].elementsEqual(wanted) }) { return line }
        guard let number = number(wanted[...]) else { return nil }
        return lines.first { self.number($0, 2) == number }
    }

    private static func number(_ line: Line, _ field: Int) -> UInt32? { line.count > field ? number(line[field]) : nil }

    /// Decimal; nil also for -1, which no user is.
    private static func number(_ digits: ArraySlice<UInt8>) -> UInt32? {
        guard !digits.isEmpty, digits.count <= 10 else { return nil }
        var result: UInt64 = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            result = result * 10 + UInt64(digit - UInt8(ascii: "0"))
        }
        return result < UInt64(UInt32.max) ? UInt32(result) : nil
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}

extension Array where Element == UInt8 {
    fileprivate init(_ text: StaticString) { self = text.withUTF8Buffer { Array($0) } }
}
