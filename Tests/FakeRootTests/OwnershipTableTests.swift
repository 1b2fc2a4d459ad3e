import CShim
import Glibc
import Host
import Testing

@testable import FakeRoot

private func file(_ inode: UInt64, birth: UInt64 = 1) -> OwnershipTable.File {
    OwnershipTable.File(device: 7, inode: inode, birth: birth)
}

@Suite struct OwnershipTableTests {
    @Test func whatIsRememberedIsTold() throws {
        let table = try OwnershipTable()
        #expect(table.isEmpty)
        #expect(table.record(of: file(1)) == .init())
        #expect(table.set(owner: .init(user: 5, group: 6), of: file(1)) == true)
        #expect(table.set(mode: .init(mode: 0o20644, device: 0x103), of: file(1)) == true)
        #expect(table.record(of: file(1)) == .init(owner: .init(user: 5, group: 6), mode: .init(mode: 0o20644, device: 0x103)))
        #expect(table.set(owner: .init(user: 0, group: .max), of: file(1)) == true)
        #expect(table.record(of: file(1)).owner == .init(user: 0, group: .max))
        #expect(!table.isEmpty)
    }

    @Test func theNextFileWithTheInodeIsAnother() throws {
        let table = try OwnershipTable()
        #expect(table.set(owner: .init(user: 5, group: 6), of: file(1)) == true)
        #expect(table.record(of: file(1, birth: 2)) == .init())
        #expect(table.record(of: OwnershipTable.File(device: 8, inode: 1, birth: 1)) == .init())
    }

    @Test func whatIsForgottenTakesNoRoom() throws {
        let table = try OwnershipTable()
        #expect(table.set(owner: nil, of: file(1)) == true)
        #expect(table.set(mode: nil, of: file(1)) == true)
        #expect(table.isEmpty)
        #expect(table.set(mode: .init(mode: 0o100600), of: file(1)) == true)
        table.forget(file(1))
        #expect(table.record(of: file(1)) == .init())
    }

    @Test func manyFilesShareBuckets() throws {
        let table = try OwnershipTable()
        for inode in 0..<100_000 as Range<UInt64> {
            #expect(table.set(owner: .init(user: UInt32(inode), group: 1), of: file(inode)) == true)
        }
        for inode in 0..<100_000 as Range<UInt64> where table.record(of: file(inode)).owner?.user != UInt32(inode) {
            Issue.record("\(inode)")
        }
    }

    /// Processes that remember the same files at the same time: each file keeps one entry, and the last word counts.
    @Test func processesShareIt() throws {
        let table = try OwnershipTable()
        var children: [Int32] = []
        for number in 1...4 as ClosedRange<UInt32> {
            let pid = Int32(vmrun_fork())
            if pid == 0 {
                for inode in 0..<5000 as Range<UInt64> {
                    _ = table.set(owner: .init(user: number, group: number), of: file(inode))
                    _ = table.set(mode: .init(mode: UInt16(number)), of: file(inode, birth: UInt64(number) + 10))
                }
                _exit(0)
            }
            children.append(pid)
        }
        for child in children {
            var status: Int32 = 0
            while waitpid(child, &status, 0) == -1 && errno == EINTR {}
            #expect(status == 0)
        }
        for inode in 0..<5000 as Range<UInt64> {
            let owner = try #require(table.record(of: file(inode)).owner)
            #expect((1...4).contains(owner.user) && owner.user == owner.group)
            for number in 1...4 as ClosedRange<UInt64> {
                #expect(table.record(of: file(inode, birth: number + 10)).mode?.mode == UInt16(number))
            }
            #expect(table.set(owner: .init(user: 99, group: 99), of: file(inode)) == true)
            #expect(table.record(of: file(inode)).owner?.user == 99)
        }
    }

    @Test func anotherMappingShowsTheSame() throws {
        let table = try OwnershipTable()
        let other = try OwnershipTable(descriptor: table.descriptor)
        #expect(other.set(owner: .init(user: 3, group: 4), of: file(9)) == true)
        #expect(table.record(of: file(9)).owner == .init(user: 3, group: 4))
    }
}

@Suite struct FakeCredentialsTests {
    @Test func wordsAndBack() throws {
        var credentials = FakeCredentials(user: 0, group: 3, groups: [9, 3, 5])
        try credentials.setresuid(1, 0, 2)
        #expect(FakeCredentials(words: credentials.words) == credentials)
        #expect(credentials.groups == [3, 5, 9])
        #expect(FakeCredentials(words: []) == nil)
        #expect(FakeCredentials(words: Array(credentials.words.dropLast())) == nil)
        #expect(FakeCredentials(words: credentials.words + [1]) == nil)
    }

    @Test func whoIsNotRootHasNoRights() {
        let credentials = FakeCredentials(user: 10, group: 10, groups: [])
        #expect(!credentials.has(Capabilities.chown))
        #expect(!credentials.isSecure)
        #expect(credentials.afterExec(mode: 0o104755, owner: 0, group: 0).has(Capabilities.chown))
        #expect(credentials.afterExec(mode: 0o104755, owner: 0, group: 0).isSecure)
        #expect(!credentials.afterExec(mode: 0o104755, owner: 0, group: 0, honoursSetID: false).has(Capabilities.chown))
        // Without execution by the group the bit means something else.
        #expect(credentials.afterExec(mode: 0o102745, owner: 0, group: 0).group.effective == 10)
    }
}
