// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// When which group wants to be looked at: a binary heap in which a group stands once with its earliest wish.
///
/// A group that is looked at too early just wishes again, so a wish is never moved back: heartbeats, which put off what
/// would happen, cost nothing here.
struct WakeUpQueue: Sendable {
    private struct Entry {
        let at: Int64
        let id: String
    }

    private var heap: [Entry] = []
    /// The earliest wish of each group that has one in the heap.
    private var wishes: [String: Int64] = [:]

    /// Milliseconds; nil when nobody wishes anything.
    var first: Int64? { self.heap.first?.at }

    /// Has `id` looked at no later than `at`, `.max` for never.
    mutating func want(_ id: String, at: Int64) {
        if at == .max { return }
        if let wish = self.wishes[id], wish <= at { return }
        self.wishes[id] = at
        self.heap.append(Entry(at: at, id: id))
        self.siftUp(self.heap.count - 1)
    }

    /// A group whose time has come, once for each wish; nil when there is none.
    mutating func popDue(at now: Int64) -> String? {
        while let top = self.heap.first, top.at <= now {
            self.removeFirst()
            // An entry that was overtaken by an earlier wish has had its look.
            if self.wishes[top.id] == top.at {
                self.wishes[top.id] = nil
                return top.id
            }
        }
        return nil
    }

    private mutating func removeFirst() {
        self.heap.swapAt(0, self.heap.count - 1)
        self.heap.removeLast()
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= self.heap.count { return }
            if child + 1 < self.heap.count, self.heap[child + 1].at < self.heap[child].at { child += 1 }
            if self.heap[parent].at <= self.heap[child].at { return }
            self.heap.swapAt(parent, child)
            parent = child
        }
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            if self.heap[parent].at <= self.heap[child].at { return }
            self.heap.swapAt(parent, child)
            child = parent
        }
    }
}
