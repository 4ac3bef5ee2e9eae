// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A fraction with a positive denominator, compared exactly.
struct Cost: Comparable {
    let part: Int
    let whole: Int

    var negated: Cost { Cost(part: -self.part, whole: self.whole) }

    static func == (left: Cost, right: Cost) -> Bool { left.part * right.whole == right.part * left.whole }
    static func < (left: Cost, right: Cost) -> Bool { left.part * right.whole < right.part * left.whole }
}

/// A binary heap of numbers with the least cost first, and of equal ones the lowest number.
struct CostHeap {
    private var entries: [(number: Int, cost: Cost)]

    /// Linear.
    init(_ entries: [(number: Int, cost: Cost)]) {
        self.entries = entries
        for parent in stride(from: entries.count / 2 - 1, through: 0, by: -1) { self.siftDown(parent) }
    }

    /// The number with the least cost; nil when the heap is empty.
    var first: Int? { self.entries.first?.number }

    /// The least cost.
    var firstCost: Cost? { self.entries.first?.cost }

    /// Gives the first one another cost. Does nothing to an empty heap.
    mutating func replaceFirst(_ cost: Cost) {
        if self.entries.isEmpty { return }
        self.entries[0].cost = cost
        self.siftDown(0)
    }

    /// Does nothing to an empty heap.
    mutating func removeFirst() {
        guard let last = self.entries.popLast(), !self.entries.isEmpty else { return }
        self.entries[0] = last
        self.siftDown(0)
    }

    mutating func insert(_ number: Int, _ cost: Cost) {
        self.entries.append((number, cost))
        var child = self.entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard self.isBefore(child, parent) else { return }
            self.entries.swapAt(parent, child)
            child = parent
        }
    }

    private func isBefore(_ one: Int, _ other: Int) -> Bool {
        let (left, right) = (self.entries[one], self.entries[other])
        return left.cost == right.cost ? left.number < right.number : left.cost < right.cost
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var child = 2 * parent + 1
            if child >= self.entries.count { return }
            if child + 1 < self.entries.count, self.isBefore(child + 1, child) { child += 1 }
            guard self.isBefore(child, parent) else { return }
            self.entries.swapAt(parent, child)
            parent = child
        }
    }
}
