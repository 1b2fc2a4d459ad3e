import CShim

/// Ordered set of disjoint regions: an AVL tree over a node pool. Each node knows the widest gap between the regions of its
/// subtree, so that lookup, change and gap search all cost O(log n), with no allocation but the pool's growth.
/// Not synchronised; its owner is.
public final class RegionMap {
    /// Index into the pool; 0 is no node.
    typealias Index = UInt32

    /// 64 bytes: one cache line for each step of a search.
    struct Node {
        var start, end, offset: UInt64
        /// Over the subtree: first guarded start, last end, widest gap between two neighbours.
        var first, last, gap: UInt64
        var left, right: Index
        var tag: UInt32
        var height: UInt8
        var protection: UInt8
        var kind: RegionKind
        var flags: RegionFlags
    }

    var nodes: UnsafeMutablePointer<Node>
    var root: Index = 0
    /// How many regions there are.
    public private(set) var count = 0
    private var capacity: Int
    /// Released nodes, linked through `left`.
    private var spare: Index = 0
    private var used = 1

    private static let initialCapacity = 256

    public init() {
        capacity = Self.initialCapacity
        guard let memory = Self.pool(capacity) else { fatalError("out of memory") }
        nodes = memory
    }

    deinit { free(nodes) }

    private static func pool(_ capacity: Int) -> UnsafeMutablePointer<Node>? {
        malloc(capacity * MemoryLayout<Node>.stride)?.bindMemory(to: Node.self, capacity: capacity)
    }

    // MARK: Nodes

    /// Makes sure that `extra` regions can be added; false where the host has no memory for them.
    public func reserve(_ extra: Int) -> Bool {
        let needed = count + 1 + extra
        if needed <= capacity { return true }
        var wanted = capacity * 2
        while wanted < needed { wanted *= 2 }
        guard let larger = Self.pool(wanted) else { return false }
        // SAFETY: nodes [1, used) are initialised, node 0 is never read; Node is trivial.
        memcpy(larger, nodes, used * MemoryLayout<Node>.stride)
        // Who is killed in between leaves nodes that are there.
        let old = nodes
        nodes = larger
        capacity = wanted
        free(old)
        return true
    }

    private func makeNode(_ region: Region) -> Index {
        let index: Index
        if spare != 0 {
            index = spare
            spare = nodes[Int(index)].left
        } else {
            // Callers that can fail have reserved before; for others growing is the rule.
            if used == capacity && !reserve(capacity) { fatalError("out of memory") }
            index = Index(used)
            nodes[used] = Node(
                start: 0, end: 0, offset: 0, first: 0, last: 0, gap: 0, left: 0, right: 0, tag: 0, height: 1, protection: 0, kind: .anonymous,
                flags: [])
            used += 1
        }
        nodes[Int(index)] = Node(
            start: region.start, end: region.end, offset: region.offset, first: region.guardedStart, last: region.end,
            gap: 0, left: 0, right: 0, tag: region.tag, height: 1,
            protection: UInt8(truncatingIfNeeded: region.protection), kind: region.kind, flags: region.flags)
        count += 1
        return index
    }

    private func release(_ index: Index) {
        nodes[Int(index)].left = spare
        spare = index
        count -= 1
    }

    func region(_ index: Index) -> Region {
        let node = nodes[Int(index)]
        return Region(
            start: node.start, end: node.end, offset: node.offset, protection: Int32(node.protection), kind: node.kind,
            flags: node.flags, tag: node.tag)
    }

    // MARK: Balance

    @inline(__always)
    private func height(_ index: Index) -> Int { index == 0 ? 0 : Int(nodes[Int(index)].height) }

    /// Recomputes what `index` knows of its subtree from its children.
    private func update(_ index: Index) {
        let node = nodes + Int(index)
        let left = node.pointee.left, right = node.pointee.right
        let guarded = region(index).guardedStart
        var first = guarded, last = node.pointee.end, gap: UInt64 = 0
        if left != 0 {
            let child = nodes + Int(left)
            first = child.pointee.first
            gap = child.pointee.gap
            if guarded > child.pointee.last { gap = max(gap, guarded - child.pointee.last) }
        }
        if right != 0 {
            let child = nodes + Int(right)
            last = child.pointee.last
            gap = max(gap, child.pointee.gap)
            if child.pointee.first > node.pointee.end { gap = max(gap, child.pointee.first - node.pointee.end) }
        }
        node.pointee.first = first
        node.pointee.last = last
        node.pointee.gap = gap
        node.pointee.height = UInt8(truncatingIfNeeded: max(height(left), height(right)) + 1)
    }

    private func rotatedRight(_ index: Index) -> Index {
        let left = nodes[Int(index)].left
        nodes[Int(index)].left = nodes[Int(left)].right
        nodes[Int(left)].right = index
        update(index)
        update(left)
        return left
    }

    private func rotatedLeft(_ index: Index) -> Index {
        let right = nodes[Int(index)].right
        nodes[Int(index)].right = nodes[Int(right)].left
        nodes[Int(right)].left = index
        update(index)
        update(right)
        return right
    }

    /// The root of the subtree at `index` after one of its children changed height by at most one.
    private func balanced(_ index: Index) -> Index {
        let left = nodes[Int(index)].left, right = nodes[Int(index)].right
        let lean = height(left) - height(right)
        if lean > 1 {
            if height(nodes[Int(left)].left) < height(nodes[Int(left)].right) {
                nodes[Int(index)].left = rotatedLeft(left)
            }
            return rotatedRight(index)
        }
        if lean < -1 {
            if height(nodes[Int(right)].right) < height(nodes[Int(right)].left) {
                nodes[Int(index)].right = rotatedRight(right)
            }
            return rotatedLeft(index)
        }
        update(index)
        return index
    }

    private func adding(_ new: Index, to tree: Index) -> Index {
        if tree == 0 { return new }
        if nodes[Int(new)].start < nodes[Int(tree)].start {
            nodes[Int(tree)].left = adding(new, to: nodes[Int(tree)].left)
        } else {
            nodes[Int(tree)].right = adding(new, to: nodes[Int(tree)].right)
        }
        return balanced(tree)
    }

    private func removing(_ start: UInt64, from tree: Index) -> Index {
        if tree == 0 { return 0 }
        let left = nodes[Int(tree)].left, right = nodes[Int(tree)].right
        if start < nodes[Int(tree)].start {
            nodes[Int(tree)].left = removing(start, from: left)
        } else if start > nodes[Int(tree)].start {
            nodes[Int(tree)].right = removing(start, from: right)
        } else {
            release(tree)
            if left == 0 { return right }
            if right == 0 { return left }
            var successor = right
            while nodes[Int(successor)].left != 0 { successor = nodes[Int(successor)].left }
            let rest = detachingFirst(of: right)
            nodes[Int(successor)].left = left
            nodes[Int(successor)].right = rest
            return balanced(successor)
        }
        return balanced(tree)
    }

    /// The subtree without its leftmost node, which stays intact.
    private func detachingFirst(of tree: Index) -> Index {
        let left = nodes[Int(tree)].left
        if left == 0 { return nodes[Int(tree)].right }
        nodes[Int(tree)].left = detachingFirst(of: left)
        return balanced(tree)
    }

    /// Recomputes the path from the root to the node that begins at `start`, whose bounds or attributes have changed.
    private func refresh(_ start: UInt64, from tree: Index) {
        if tree == 0 { return }
        if start < nodes[Int(tree)].start {
            refresh(start, from: nodes[Int(tree)].left)
        } else if start > nodes[Int(tree)].start {
            refresh(start, from: nodes[Int(tree)].right)
        }
        update(tree)
    }

    // MARK: Lookup

    /// The first node whose region ends above `address` (find_vma()).
    func node(endingAbove address: UInt64) -> Index {
        var current = root, found: Index = 0
        while current != 0 {
            if nodes[Int(current)].end > address {
                found = current
                if nodes[Int(current)].start <= address { break }
                current = nodes[Int(current)].left
            } else {
                current = nodes[Int(current)].right
            }
        }
        return found
    }

    private func node(containing address: UInt64) -> Index {
        let found = node(endingAbove: address)
        return found != 0 && nodes[Int(found)].start <= address ? found : 0
    }

    /// The region that holds `address`.
    public func region(containing address: UInt64) -> Region? {
        let found = node(containing: address)
        return found == 0 ? nil : region(found)
    }

    /// The first region that ends above `address`: the one that holds it, or the next. Iterates in address order when given
    /// the end of the one before.
    public func region(endingAbove address: UInt64) -> Region? {
        let found = node(endingAbove: address)
        return found == 0 ? nil : region(found)
    }

    /// Whether nothing overlaps [start, end).
    public func isFree(_ start: UInt64, _ end: UInt64) -> Bool {
        let next = node(endingAbove: start)
        return next == 0 || nodes[Int(next)].start >= end
    }

    /// Whether any part of [start, end) has all of the given PROT_* bits.
    public func contains(protection: Int32, from start: UInt64, to end: UInt64) -> Bool {
        var cursor = start
        while cursor < end, let region = region(endingAbove: cursor), region.start < end {
            if region.protection & protection == protection { return true }
            cursor = region.end
        }
        return false
    }

    // MARK: Change

    /// Adds a region where nothing is, and joins it with neighbours that it continues.
    public func insert(_ region: Region) {
        guard region.start < region.end else { return }
        let before = region.start == 0 ? 0 : node(containing: region.start - 1)
        let after = node(containing: region.end)
        let joinsBefore = before != 0 && self.region(before).merges(with: region)
        let joinsAfter = after != 0 && region.merges(with: self.region(after))
        if joinsBefore {
            var end = region.end
            if joinsAfter {
                end = nodes[Int(after)].end
                root = removing(nodes[Int(after)].start, from: root)
            }
            nodes[Int(before)].end = end
            refresh(nodes[Int(before)].start, from: root)
        } else if joinsAfter {
            nodes[Int(after)].start = region.start
            nodes[Int(after)].offset = region.offset
            refresh(region.start, from: root)
        } else {
            root = adding(makeNode(region), to: root)
        }
    }

    /// Takes [start, end) out of every region.
    public func remove(_ start: UInt64, _ end: UInt64) {
        while true {
            let found = node(endingAbove: start)
            guard found != 0, nodes[Int(found)].start < end else { return }
            let old = region(found)
            if old.start >= start && old.end <= end {
                root = removing(old.start, from: root)
            } else if old.start < start {
                nodes[Int(found)].end = start
                refresh(old.start, from: root)
                if old.end > end { root = adding(makeNode(old.clipped(from: end, to: old.end)), to: root) }
            } else {
                let rest = old.clipped(from: end, to: old.end)
                nodes[Int(found)].start = rest.start
                nodes[Int(found)].offset = rest.offset
                refresh(rest.start, from: root)
            }
        }
    }

    /// Changes the attributes of what is mapped in [start, end), region by region.
    public func change(_ start: UInt64, _ end: UInt64, _ body: (inout Region) -> Void) {
        // From the cursor on: a part that has changed may have joined a region that reaches further.
        var cursor = start
        while cursor < end, let old = region(endingAbove: cursor), old.start < end {
            let part = old.clipped(from: cursor, to: end)
            var new = part
            body(&new)
            if new != part {
                remove(part.start, part.end)
                insert(new)
            }
            cursor = part.end
        }
    }

    /// Sets the PROT_* bits of what is mapped in [start, end).
    public func protect(_ start: UInt64, _ end: UInt64, _ protection: Int32) {
        change(start, end) { $0.protection = protection }
    }

    /// The regions of all nodes that are in use, in address order, wherever a change of the tree ended. They may overlap.
    func salvage() -> [Region] {
        var isSpare = [Bool](repeating: false, count: used)
        var index = spare
        while index != 0 && Int(index) < used && !isSpare[Int(index)] {
            isSpare[Int(index)] = true
            index = nodes[Int(index)].left
        }
        var result: [Region] = []
        for index in 1..<max(used, 1) where !isSpare[index] {
            let region = region(Index(index))
            if region.start < region.end { result.append(region) }
        }
        result.sort { $0.start < $1.start }
        return result
    }

    /// Forgets everything.
    public func removeAll() {
        root = 0
        count = 0
        spare = 0
        used = 1
    }
}
