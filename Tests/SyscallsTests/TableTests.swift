import CShim
import LinuxABI
import Testing

@testable import Syscalls

@Suite struct TableTests {
    static var rows: [SyscallRow] { (0...SyscallTable.last).compactMap { SyscallTable.row($0) } }

    @Test func rowsStandAtTheirNumbers() {
        for number in 0...SyscallTable.last {
            if (337..<424).contains(number) {
                #expect(SyscallTable.row(number) == nil)
            } else {
                #expect(SyscallTable.row(number)?.number == UInt16(number))
            }
        }
    }

    @Test func numbersBeyondTheTableHaveNoRow() {
        for number: UInt32 in [471, 511, 512, 0x4000_0000, 0x4000_0001, .max] {
            #expect(SyscallTable.row(number) == nil)
        }
    }

    /// Every number that the kernel's header has is in the table under the same name.
    @Test func namesAgreeWithTheKernelHeader() throws {
        let header = try #require(readFile("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"))
        var found = 0
        for line in header.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, words[0] == "#define", words[1].hasPrefix("__NR_"), let number = UInt32(words[2])
            else { continue }
            found += 1
            let name = words[1].dropFirst(5)
            #expect(SyscallTable.name(number)?.description == String(name), "\(number)")
        }
        #expect(found > 350)
    }

    @Test func namesAreUnique() {
        #expect(Set(Self.rows.map(\.name.description)).count == Self.rows.count)
    }

    @Test func argumentsHaveNoHoles() {
        for row in Self.rows {
            let kinds = (0..<6).map(row.kind)
            let used = kinds.firstIndex(of: .none) ?? 6
            #expect(kinds[used...].allSatisfy { $0 == .none }, "\(row.name)")
        }
    }

    /// A length or count is another argument of the call, and a number; of a range, the length comes right after it.
    @Test func lengthsNameNumbers() {
        for row in Self.rows {
            for index in 0..<6 {
                let length: UInt8
                switch row.kind(index) {
                case .input(let other), .output(let other), .inputMessage(let other), .outputMessage(let other),
                    .socketAddress(let other), .nodeMask(let other), .range(let other):
                    length = other
                case .readsArray(_, let other), .writesArray(_, let other), .updatesArray(_, let other),
                    .iovec(let other):
                    length = other
                case .fdSet(let other):
                    #expect(row.kind(Int(other)) == .fdCount, "\(row.name)")
                    continue
                case .socketAddressOutput(let other):
                    #expect(row.kind(Int(other)) == .updates(.int), "\(row.name)")
                    continue
                default: continue
                }
                #expect(length < 6 && row.kind(Int(length)) == .value, "\(row.name) argument \(index)")
            }
        }
    }

    /// Only handlers know what paths, socket addresses and special pointers are.
    @Test func forwardedArgumentsAreAllCheckable() {
        for row in Self.rows {
            switch row.handler {
            case .forward, .transfer, .readTransfer, .readVector, .writeTransfer, .writeVector, .moveData, .newDescriptor,
                .duplicate, .changeFile, .changeThread, .changeProcess:
                break
            default: continue
            }
            for index in 0..<6 {
                switch row.kind(index) {
                case .path, .special, .socketAddress, .socketAddressOutput, .address: Issue.record("\(row.name)")
                case .shown(let notation): #expect(!notation.mayBePointer, "\(row.name)")
                default: break
                }
            }
        }
    }

    /// The unrolled shape: descriptor, buffer, its length, at most one number more.
    @Test func transfersHaveTheirShape() {
        for row in Self.rows where [.transfer, .readTransfer, .writeTransfer].contains(row.handler) {
            #expect(row.kind(0) == .fd && row.kind(2) == .value, "\(row.name)")
            #expect(row.kind(1) == .input(2) || row.kind(1) == .output(2), "\(row.name)")
            #expect(row.kind(4) == .none, "\(row.name)")
            #expect(row.handler != .readTransfer || row.kind(1) == .output(2), "\(row.name)")
            #expect(row.handler != .writeTransfer || row.kind(1) == .input(2), "\(row.name)")
        }
    }

    /// A note is there exactly where something is missing, and a refusal names its errno first.
    @Test func notesSayWhatIsMissing() {
        for row in Self.rows {
            #expect((row.level == .full) == row.note.description.isEmpty, "\(row.name)")
            guard case .refuse(let error) = row.handler else {
                // A handler may have a refusal's order of checks to keep.
                #expect(row.level != .absent, "\(row.name)")
                #expect(row.level != .refused || row.note.description.hasPrefix("E"), "\(row.name)")
                continue
            }
            #expect(row.level == .refused || (row.level == .absent && error == .ENOSYS), "\(row.name)")
            guard row.level == .refused else { continue }
            let names: [Int32: String] = [
                GuestErrno.EPERM.number: "EPERM", GuestErrno.ENOSYS.number: "ENOSYS", GuestErrno.EINVAL.number: "EINVAL",
                GuestErrno.ENOSPC.number: "ENOSPC",
            ]
            #expect(row.note.description.hasPrefix(names[error.number] ?? "?"), "\(row.name)")
        }
    }
}

func readFile(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = fread(&buffer, 1, buffer.count, file)
        if count == 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += buffer[..<count]
    }
}
