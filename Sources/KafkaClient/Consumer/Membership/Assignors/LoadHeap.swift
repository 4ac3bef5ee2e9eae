// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Numbers with a load each, the least load first, of equal ones the lowest number: a binary heap.
struct LoadHeap {
    private var entries: [(load: Int, number: Int)]

    /// Linear in the number of entries.
    init(_ entries: [(load: Int, number: Int)]) {
        self.entries = entries
        for parent in stride(from: entries.count / 2 - 1, through: 0, by: -1) { self.siftDown(parent) }
    }

    /// The entry with the least load; nil when the heap is empty.
    var first: (load: Int, number: Int)? { self.entries.first }

    /// Gives the first entry another load. Does nothing to an empty heap.
    mutating func replaceFirst(load: Int) {
        if self.entries.isEmpty { return }
        self.entries[0].load = load
        self.siftDown(0)
    }

    /// Does nothing to an empty heap.
    mutating func removeFirst() {
        guard let last = self.entries.popLast(), !self.entries.isEmpty else { return }
        self.entries[0] = last
        self.siftDown(0)
    }

    mutating func insert(load: Int, number: Int) {
        self.entries.append((load, number))
        var child = self.entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard self.entries[child] < self.entries[parent] else { return }
            self.entries.swapAt(parent, child)
            child = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var child = 2 * parent + 1
            if child >= self.entries.count { return }
            if child + 1 < self.entries.count, self.entries[child + 1] < self.entries[child] { child += 1 }
            guard self.entries[child] < self.entries[parent] else { return }
            self.entries.swapAt(parent, child)
            parent = child
        }
    }
}
