import CShim
import SyntheticFS

/// What `/proc` shows of the members, one record for each slot of the session's table.
///
/// Each record is kept twice. The owner writes the copy that is not shown, then shows it by counting the version up. So a
/// reader never waits for a writer, which may have been stopped or killed in the middle; it reads again where the version
/// changed meanwhile. One thread writes a slot at a time.
struct SessionRecords {
    static let slotSize = pathsOffset + 2 * pathCapacity

    // Offsets in a slot.
    private static let versionOffset = 0
    private static let copiesOffset = 64
    private static let copySize = 448
    private static let pathsOffset = 1024
    /// PATH_MAX.
    private static let pathCapacity = 4096

    private struct Copy: BitwiseCopyable {
        var record: ProcessRecord
        var pathLength: Int32
        /// Which of the two places holds the path, which changes more seldom.
        var pathPlace: Int32
    }

    let base: UnsafeMutableRawPointer

    /// `index` is below the table's capacity.
    private func slot(_ index: Int) -> UnsafeMutableRawPointer { base + index &* Self.slotSize }

    private func version(_ index: Int) -> UnsafeMutablePointer<UInt64> {
        (slot(index) + Self.versionOffset).assumingMemoryBound(to: UInt64.self)
    }

    private func copy(_ index: Int, _ version: UInt64) -> UnsafeMutableRawPointer {
        slot(index) + Self.copiesOffset + Int(version & 1) * Self.copySize
    }

    private func path(_ index: Int, _ place: Int32) -> UnsafeMutableRawPointer {
        slot(index) + Self.pathsOffset + Int(place & 1) * Self.pathCapacity
    }

    /// Publishes a record, and the program's path where there is a new one.
    func write(_ index: Int, _ record: ProcessRecord, path text: [UInt8]?) {
        assert(MemoryLayout<Copy>.size <= Self.copySize)
        let shown = vmrun_atomic_load64(version(index))
        var next = copy(index, shown).load(as: Copy.self)
        next.record = record
        if let text {
            next.pathPlace = ~next.pathPlace & 1
            next.pathLength = Int32(min(text.count, Self.pathCapacity))
            let target = path(index, next.pathPlace)
            text.withUnsafeBytes { bytes in
                if let source = bytes.baseAddress { memcpy(target, source, Int(next.pathLength)) }
            }
        }
        copy(index, shown &+ 1).storeBytes(of: next, as: Copy.self)
        vmrun_atomic_store64(version(index), shown &+ 1)
    }

    /// Nil before the first `write`.
    func read(_ index: Int) -> (record: ProcessRecord, path: [UInt8])? {
        // More changes than this while one copy is made do not happen.
        for _ in 0..<1000 {
            let shown = vmrun_atomic_load64(version(index))
            if shown == 0 { return nil }
            let copy = copy(index, shown).load(as: Copy.self)
            let length = min(max(Int(copy.pathLength), 0), Self.pathCapacity)
            let text = Array(UnsafeRawBufferPointer(start: path(index, copy.pathPlace), count: length))
            vmrun_atomic_read_fence()
            if vmrun_atomic_load64(version(index)) == shown { return (copy.record, text) }
        }
        return nil
    }

    /// Changes the record that is shown.
    func update(_ index: Int, _ change: (inout ProcessRecord) -> Void) {
        var record = copy(index, vmrun_atomic_load64(version(index))).load(as: Copy.self).record
        change(&record)
        write(index, record, path: nil)
    }
}
