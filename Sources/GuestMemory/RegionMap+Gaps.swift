/// First-fit search for free addresses, from either end, as the kernel's vm_unmapped_area().
extension RegionMap {
    /// The highest free range of `length` bytes in [low, high) whose start is a multiple of `alignment`; its start.
    public func highestGap(_ length: UInt64, in low: UInt64, _ high: UInt64, alignment: UInt64) -> UInt64? {
        guard let need = Self.widened(length, alignment), low < high, high - low >= need else { return nil }
        guard let end = gapEnd(need, low, high) else { return nil }
        return (end - length) & ~(alignment - 1)
    }

    /// The lowest free range of `length` bytes in [low, high) whose start is a multiple of `alignment`; its start.
    public func lowestGap(_ length: UInt64, in low: UInt64, _ high: UInt64, alignment: UInt64) -> UInt64? {
        guard let need = Self.widened(length, alignment), low < high, high - low >= need else { return nil }
        guard let start = gapStart(need, low, high) else { return nil }
        return (start + (alignment - 1)) & ~(alignment - 1)
    }

    /// A gap this wide has an aligned place wherever it begins.
    private static func widened(_ length: UInt64, _ alignment: UInt64) -> UInt64? {
        guard length > 0, alignment >= Arena.pageSize else { return nil }
        let (sum, overflow) = length.addingReportingOverflow(alignment - Arena.pageSize)
        return overflow ? nil : sum
    }

    private func gapEnd(_ need: UInt64, _ low: UInt64, _ high: UInt64) -> UInt64? {
        guard root != 0 else { return high }
        let top = max(nodes[Int(root)].last, low)
        if top < high && high - top >= need { return high }
        if let end = gapEnd(need, low, high, under: root) { return end }
        let end = min(nodes[Int(root)].first, high)
        return end > low && end - low >= need ? end : nil
    }

    /// A subtree that lies wholly inside [low, high) and promises a gap has one; those that a bound cuts are two a level.
    private func gapEnd(_ need: UInt64, _ low: UInt64, _ high: UInt64, under index: Index) -> UInt64? {
        let node = nodes[Int(index)]
        guard node.gap >= need, node.last > low, node.first < high else { return nil }
        if node.right != 0 {
            if let end = gapEnd(need, low, high, under: node.right) { return end }
            if let end = Self.clip(node.end, nodes[Int(node.right)].first, low, high, need)?.end { return end }
        }
        if node.left != 0 {
            let guarded = region(index).guardedStart
            if let end = Self.clip(nodes[Int(node.left)].last, guarded, low, high, need)?.end { return end }
            return gapEnd(need, low, high, under: node.left)
        }
        return nil
    }

    private func gapStart(_ need: UInt64, _ low: UInt64, _ high: UInt64) -> UInt64? {
        guard root != 0 else { return low }
        let first = min(nodes[Int(root)].first, high)
        if first > low && first - low >= need { return low }
        if let start = gapStart(need, low, high, under: root) { return start }
        let start = max(nodes[Int(root)].last, low)
        return start < high && high - start >= need ? start : nil
    }

    private func gapStart(_ need: UInt64, _ low: UInt64, _ high: UInt64, under index: Index) -> UInt64? {
        let node = nodes[Int(index)]
        guard node.gap >= need, node.last > low, node.first < high else { return nil }
        if node.left != 0 {
            if let start = gapStart(need, low, high, under: node.left) { return start }
            let guarded = region(index).guardedStart
            if let start = Self.clip(nodes[Int(node.left)].last, guarded, low, high, need)?.start { return start }
        }
        if node.right != 0 {
            if let start = Self.clip(node.end, nodes[Int(node.right)].first, low, high, need)?.start { return start }
            return gapStart(need, low, high, under: node.right)
        }
        return nil
    }

    private static func clip(
        _ start: UInt64, _ end: UInt64, _ low: UInt64, _ high: UInt64, _ need: UInt64
    ) -> (start: UInt64, end: UInt64)? {
        let from = max(start, low), to = min(end, high)
        return to > from && to - from >= need ? (from, to) : nil
    }
}
