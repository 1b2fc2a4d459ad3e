import CShim
import SyntheticFS

/// What the guest calls the AF_UNIX sockets that its processes bound, by the paths that the host kernel knows them under, in
/// the session's memory: so every member is told the name that was bound, also by another and before an exec.
///
/// An entry is a word, the hash of the host path or 0, and the two paths. It is written while its word is 0. The entries are
/// a ring: where more names are bound than it holds, the oldest are forgotten.
struct SessionSocketNames {
    static let size = entriesOffset + capacity * entrySize

    private static let capacity = 1024
    private static let entrySize = 256
    private static let entriesOffset = 64
    // Offsets in an entry.
    private static let hostLength = 8
    private static let guestLength = 9
    private static let host = 16
    private static let guest = 136
    private static let longestPath = 112

    let base: UnsafeMutableRawPointer

    /// Counts the entries that were ever taken.
    private var taken: UnsafeMutablePointer<UInt64> { base.assumingMemoryBound(to: UInt64.self) }

    private func entry(_ index: Int) -> UnsafeMutableRawPointer { base + Self.entriesOffset + index * Self.entrySize }

    private func word(_ index: Int) -> UnsafeMutablePointer<UInt64> { entry(index).assumingMemoryBound(to: UInt64.self) }

    /// The guest's name of the socket that the host knows under this path.
    func name(host: [UInt8]) -> [UInt8]? { find(host)?.name }

    /// Makes `host` stand for `guest`. False where it stands for another name already.
    func claim(host: [UInt8], guest: [UInt8]) -> Bool {
        guard host.count <= Self.longestPath, guest.count <= Self.longestPath else { return false }
        if let found = find(host) { return found.name == guest }
        let own = take()
        let entry = entry(own)
        vmrun_atomic_store64(word(own), 0)
        entry.storeBytes(of: UInt8(host.count), toByteOffset: Self.hostLength, as: UInt8.self)
        entry.storeBytes(of: UInt8(guest.count), toByteOffset: Self.guestLength, as: UInt8.self)
        Self.copy(host, to: entry + Self.host)
        Self.copy(guest, to: entry + Self.guest)
        vmrun_atomic_store64(word(own), Self.hash(host))
        // Of two that claim one path at a time, who comes first in the ring has it.
        guard let first = find(host), first.index != own, first.name != guest else { return true }
        vmrun_atomic_store64(word(own), 0)
        return false
    }

    private func take() -> Int {
        while true {
            let count = vmrun_atomic_load64(taken)
            if vmrun_atomic_exchange_if64(taken, count, count &+ 1) != 0 { return Int(count % UInt64(Self.capacity)) }
        }
    }

    private func find(_ path: [UInt8]) -> (index: Int, name: [UInt8])? {
        let hash = Self.hash(path)
        for index in 0..<Int(min(vmrun_atomic_load64(taken), UInt64(Self.capacity))) {
            guard vmrun_atomic_load64(word(index)) == hash, text(index, Self.hostLength, Self.host) == path else { continue }
            let name = text(index, Self.guestLength, Self.guest)
            vmrun_atomic_read_fence()
            if vmrun_atomic_load64(word(index)) == hash { return (index, name) }
        }
        return nil
    }

    private func text(_ index: Int, _ length: Int, _ offset: Int) -> [UInt8] {
        let count = min(Int(entry(index).load(fromByteOffset: length, as: UInt8.self)), Self.longestPath)
        return Array(UnsafeRawBufferPointer(start: entry(index) + offset, count: count))
    }

    private static func copy(_ bytes: [UInt8], to target: UnsafeMutableRawPointer) {
        bytes.withUnsafeBytes { source in
            if let start = source.baseAddress { memcpy(target, start, source.count) }
        }
    }

    private static func hash(_ path: [UInt8]) -> UInt64 { FNV1a.hash(path) | 1 }
}
