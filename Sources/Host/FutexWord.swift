import CShim

/// A word on which host threads of this process wait for what others store there. Its owner frees it.
public struct FutexWord {
    private let address: UnsafeMutablePointer<Int32>

    public init(_ value: Int32) {
        address = .allocate(capacity: 1)
        address.initialize(to: value)
    }

    public func free() { address.deallocate() }

    public var value: Int32 { vmrun_atomic_load(address) }

    /// Stores without waking: nobody waits for this value.
    public func store(_ value: Int32) { vmrun_atomic_store(address, value) }

    /// Stores, and wakes all who wait.
    public func set(_ value: Int32) {
        store(value)
        wake()
    }

    /// Stores `desired` where the word is `expected`, without waking; false where it is something else.
    public func exchange(_ expected: Int32, for desired: Int32) -> Bool {
        vmrun_atomic_exchange_if(address, expected, desired) != 0
    }

    public func wake() {
        _ = Host.raw(Int32(SYS_futex), Int(bitPattern: address), Int(FUTEX_WAKE_PRIVATE), Int(Int32.max))
    }

    /// Returns once the word is as `condition` wants it.
    public func wait(_ condition: (Int32) -> Bool) {
        while true {
            let seen = value
            if condition(seen) { return }
            _ = Host.raw(Int32(SYS_futex), Int(bitPattern: address), Int(FUTEX_WAIT_PRIVATE), Int(seen))
        }
    }
}
