import LinuxABI
import Testing

@testable import Syscalls

@Test func numbersAsTheKernelTakesThem() throws {
    func parse(_ text: String) throws(GuestErrno) -> UInt32 {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32, alignment: 8)
        defer { buffer.deallocate() }
        let bytes = Array(text.utf8)
        buffer.copyBytes(from: bytes)
        return try KernelNumber.parse(buffer[..<bytes.count])
    }
    for (text, value) in [
        ("0", 0), ("51\n", 51), ("0x1F", 31), ("0X1f\n", 31), ("017", 15), ("+8", 8), ("4294967295", UInt32.max), ("12\0\n", 12),
    ] as [(String, UInt32)] {
        #expect(try parse(text) == value, "\(text)")
    }
    for text in ["", "\n", "x", "0x", "-1", " 1", "1 ", "08", "1\n\n", "0xg"] {
        #expect(throws: GuestErrno.EINVAL, "\(text)") { try parse(text) }
    }
    for text in ["4294967296", "0x100000000", "99999999999999999999"] {
        #expect(throws: GuestErrno.ERANGE, "\(text)") { try parse(text) }
    }
}
