import CShim
import Testing

@testable import GuestMemory

/// A deterministic generator, so that a failure can be repeated.
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 33) ^ (state << 17)
    }
}

private let page = Arena.pageSize

/// The same as RegionMap, in the plainest way: one entry for each page.
private struct PageModel {
    var pages: [Region?]

    init(_ count: Int) { pages = Array(repeating: nil, count: count) }

    mutating func insert(_ region: Region) {
        for number in Int(region.start / page)..<Int(region.end / page) {
            pages[number] = region.clipped(from: UInt64(number) * page, to: UInt64(number + 1) * page)
        }
    }

    mutating func remove(_ start: UInt64, _ end: UInt64) {
        for number in Int(start / page)..<Int(end / page) { pages[number] = nil }
    }

    mutating func protect(_ start: UInt64, _ end: UInt64, _ protection: Int32) {
        for number in Int(start / page)..<Int(end / page) { pages[number]?.protection = protection }
    }

    var regions: [Region] {
        var list: [Region] = []
        for entry in pages {
            guard let entry else { continue }
            if let last = list.last, last.merges(with: entry) {
                list[list.count - 1].end = entry.end
            } else {
                list.append(entry)
            }
        }
        return list
    }

    func isFree(_ start: UInt64, _ end: UInt64) -> Bool {
        (Int(start / page)..<Int(end / page)).allSatisfy { pages[$0] == nil }
    }

    func gap(_ length: UInt64, _ low: UInt64, _ high: UInt64, fromTop: Bool) -> UInt64? {
        guard low < high, high - low >= length else { return nil }
        let starts = stride(from: low, through: high - length, by: Int(page)).map { $0 }
        return (fromTop ? starts.reversed() : starts).first { isFree($0, $0 + length) }
    }
}

private func list(_ map: RegionMap) -> [Region] {
    var result: [Region] = []
    var cursor: UInt64 = 0
    while let region = map.region(endingAbove: cursor) {
        result.append(region)
        cursor = region.end
    }
    return result
}

@Suite struct RegionMapTests {
    @Test(arguments: 1...8) func agreesWithOneEntryPerPage(seed: Int) {
        var random = Generator(state: UInt64(seed))
        let size: UInt64 = 160
        let map = RegionMap()
        var model = PageModel(Int(size))
        for step in 0..<3000 {
            let start = UInt64.random(in: 0..<size, using: &random)
            let end = UInt64.random(in: start + 1...min(size, start + 12), using: &random)
            let (from, to) = (start * page, end * page)
            switch Int.random(in: 0..<10, using: &random) {
            case 0...4:
                let kinds: [RegionKind] = [.anonymous, .file, .sharedMemory]
                let kind = kinds.randomElement(using: &random)!
                let region = Region(
                    start: from, end: to,
                    offset: kind == .anonymous ? 0 : from + UInt64.random(in: 0...1, using: &random) * page,
                    protection: Int32.random(in: 0...1, using: &random), kind: kind,
                    tag: UInt32.random(in: 0...1, using: &random))
                map.remove(from, to)
                map.insert(region)
                model.insert(region)
            case 5...6:
                map.remove(from, to)
                model.remove(from, to)
            case 7:
                map.protect(from, to, PROT_EXEC)
                model.protect(from, to, PROT_EXEC)
            default:
                let length = UInt64.random(in: 1...8, using: &random) * page
                let top = map.highestGap(length, in: from, size * page, alignment: page)
                let bottom = map.lowestGap(length, in: 0, to, alignment: page)
                #expect(top == model.gap(length, from, size * page, fromTop: true), "step \(step)")
                #expect(bottom == model.gap(length, 0, to, fromTop: false), "step \(step)")
            }
            #expect(map.isFree(from, to) == model.isFree(from, to))
            let found = map.region(containing: from)
            #expect((found == nil) == (model.pages[Int(start)] == nil))
            if step % 16 == 0 {
                let regions = list(map)
                #expect(map.count == regions.count)
                let same = regions == model.regions
                #expect(same, "step \(step)")
            }
        }
    }

    @Test func neighboursMerge() {
        let map = RegionMap()
        map.insert(Region(start: page, end: 2 * page, protection: PROT_READ))
        map.insert(Region(start: 3 * page, end: 4 * page, protection: PROT_READ))
        #expect(map.count == 2)
        map.insert(Region(start: 2 * page, end: 3 * page, protection: PROT_READ))
        #expect(list(map) == [Region(start: page, end: 4 * page, protection: PROT_READ)])
        map.protect(2 * page, 3 * page, PROT_NONE)
        #expect(map.count == 3)
        map.protect(2 * page, 3 * page, PROT_READ)
        #expect(map.count == 1)
    }

    @Test func gapsKeepAwayFromStacksThatGrow() {
        let map = RegionMap()
        let top: UInt64 = 1 << 30
        map.insert(Region(start: top - page, end: top, protection: PROT_READ, kind: .stack, flags: .growsDown))
        #expect(map.highestGap(page, in: 0, top, alignment: page) == top - page - Region.guardGap - page)
        map.insert(Region(start: top - 9 * page, end: top - 8 * page, protection: PROT_READ))
        #expect(map.highestGap(page, in: 0, top, alignment: page) == top - 10 * page)
    }

    @Test func alignedGaps() {
        let map = RegionMap()
        let block: UInt64 = 2 << 20
        #expect(map.highestGap(block, in: page, 8 * block - page, alignment: block) == 6 * block)
        #expect(map.lowestGap(block, in: page, 8 * block, alignment: block) == block)
        #expect(map.highestGap(.max, in: 0, .max, alignment: block) == nil)
        #expect(map.highestGap(block, in: block, block, alignment: page) == nil)
    }

    /// Many regions: order, depth and search stay right.
    @Test func manyRegions() {
        let map = RegionMap()
        let count = 50_000
        for number in 0..<count {
            let scattered = UInt64(number) &* 48_271 % UInt64(count)
            map.insert(Region(start: scattered * 2 * page, end: (scattered * 2 + 1) * page, protection: PROT_READ))
        }
        #expect(map.count == count)
        let end = UInt64(count) * 2 * page
        #expect(map.highestGap(page, in: 0, end, alignment: page) == end - page)
        #expect(map.highestGap(2 * page, in: 0, end - page, alignment: page) == nil)
        map.remove(2 * page, 3 * page)
        #expect(map.highestGap(2 * page, in: 0, end - page, alignment: page) == 2 * page)
        #expect(map.nodes[Int(map.root)].height <= 24)
        map.remove(0, end)
        #expect(map.count == 0)
        #expect(map.highestGap(page, in: 0, end, alignment: page) == end - page)
    }
}
