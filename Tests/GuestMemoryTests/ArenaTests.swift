import GuestMemory
import LinuxABI
import Testing

@Test func arenaRangesDoNotWrap() {
    #expect(Arena.contains(GuestAddress(Arena.top), length: 0))
    #expect(!Arena.contains(GuestAddress(Arena.top - 1), length: 2))
    #expect(!Arena.contains(GuestAddress(Arena.base), length: .max))
    #expect(!Arena.contains(GuestAddress(0), length: 1))
}
