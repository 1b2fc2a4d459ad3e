import Testing
import Host

@Test func lockKnowsItsOwner() {
    let lock = Lock()
    #expect(lock.owner == 0)
    lock.lock()
    #expect(lock.owner != 0)
    lock.unlock()
    #expect(lock.owner == 0)
}
