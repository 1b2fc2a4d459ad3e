import CShim
import Testing

@Suite struct HeapTests {
    @Test func blocksOfEverySizeAreApartAndAligned() throws {
        var blocks: [(address: UnsafeMutableRawPointer, size: Int)] = []
        for size in Array(0...1100) + [4096, 65_000, 262_128, 262_129, 1 << 20] {
            let block = try #require(vmrun_heap_allocate(size))
            #expect(Int(bitPattern: block) % 16 == 0)
            #expect(vmrun_heap_size(block) >= size)
            memset(block, Int32(size & 0xff), size)
            blocks.append((block, size))
        }
        for (block, size) in blocks {
            let bytes = UnsafeRawBufferPointer(start: block, count: size)
            #expect(bytes.allSatisfy { $0 == UInt8(size & 0xff) })
            vmrun_heap_free(block)
        }
    }

    @Test func freedBlocksComeBack() throws {
        for size in [1, 16, 100, 500, 513, 5000, 200_000] {
            let block = try #require(vmrun_heap_allocate(size))
            vmrun_heap_free(block)
            #expect(vmrun_heap_allocate(size) == block)
            vmrun_heap_free(block)
        }
    }

    @Test func alignment() throws {
        for alignment in [1, 8, 16, 32, 64, 4096, 1 << 20] {
            let block = try #require(vmrun_heap_allocate_aligned(alignment, 300))
            #expect(Int(bitPattern: block) % alignment == 0)
            #expect(vmrun_heap_size(block) >= 300)
            memset(block, 7, 300)
            vmrun_heap_free(block)
        }
        #expect(vmrun_heap_allocate_aligned(2 << 20, 1) == nil)
        #expect(vmrun_heap_allocate(.max) == nil)
        #expect(vmrun_heap_allocate_aligned(64, .max) == nil)
    }

    @Test func resizingKeepsTheContent() throws {
        var block = try #require(vmrun_heap_resize(nil, 10))
        memset(block, 9, 10)
        for size in [20, 400, 70_000, 600_000, 3000, 10] {
            block = try #require(vmrun_heap_resize(block, size))
            #expect(UnsafeRawBufferPointer(start: block, count: 10).allSatisfy { $0 == 9 })
        }
        vmrun_heap_free(block)
    }

    @Test func theLockOfADeadOwnerIsFreed() {
        // Nobody holds it: nothing happens.
        vmrun_heap_break_lock(12345)
        vmrun_heap_free(vmrun_heap_allocate(64))
        vmrun_heap_after_fork()
        vmrun_heap_free(vmrun_heap_allocate(64))
    }
}
