// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The last offset of each key of the part of a log that is being cleaned. Its memory is fixed when it is made, however
/// many keys come.
///
/// Open addressing in one allocation; keys are there as their hashes only. Owned by one cleaning, on one thread.
final class OffsetMap {
    private struct Slot {
        var hash: KeyHash
        /// 0: the slot is free.
        var offsetPlusOne: Int64
    }

    /// What one key takes.
    static let bytesPerKey = MemoryLayout<Slot>.stride

    /// The most keys that it takes: four fifths of its slots, so that looking one up stays short.
    let countMax: Int
    /// The keys in it.
    private(set) var count = 0
    private let slots: UnsafeMutablePointer<Slot>
    private let slotCount: Int

    /// `byteCount` is the size of the one allocation; room for at least one key is made. The system gives the pages as
    /// they are used. Nil when there is no memory.
    init?(byteCount: Int) {
        self.slotCount = max(byteCount / Self.bytesPerKey, 2)
        self.countMax = max(self.slotCount / 5 * 4, 1)
        // Not from the allocator, which would keep the room for later.
        let memory = mmap(
            nil, self.slotCount * Self.bytesPerKey, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
        guard let memory, memory != UnsafeMutableRawPointer(bitPattern: -1) else { return nil }
        self.slots = memory.bindMemory(to: Slot.self, capacity: self.slotCount)
    }

    deinit { munmap(self.slots, self.slotCount * Self.bytesPerKey) }

    /// Notes that a key has a record at an offset; of several the largest counts. False when there is no room for one
    /// more key.
    func put(_ hash: KeyHash, offset: Int64) -> Bool {
        let index = self.index(of: hash)
        if self.slots[index].offsetPlusOne == 0 {
            guard self.count < self.countMax else { return false }
            self.count += 1
            self.slots[index].hash = hash
        }
        self.slots[index].offsetPlusOne = max(self.slots[index].offsetPlusOne, offset &+ 1)
        return true
    }

    /// The largest offset that was put for a key, or nil.
    func offset(of hash: KeyHash) -> Int64? {
        let found = self.slots[self.index(of: hash)].offsetPlusOne
        return found == 0 ? nil : found &- 1
    }

    /// The slot of a key, or the free one where it belongs: there is always one.
    private func index(of hash: KeyHash) -> Int {
        var index = Int(hash.low.multipliedFullWidth(by: UInt64(self.slotCount)).high)
        while self.slots[index].offsetPlusOne != 0, self.slots[index].hash != hash {
            index &+= 1
            if index == self.slotCount { index = 0 }
        }
        return index
    }
}
