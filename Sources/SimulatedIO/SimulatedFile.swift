// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The bytes of one file of a simulated disk: as processes see them, and as a loss of power would leave them.
struct SimulatedFile: Sendable {
    /// What a disk writes as a whole or not at all.
    static let sectorBytes = 512

    /// What reads see.
    private(set) var current: [UInt8] = []
    /// What is on stable storage.
    private(set) var durable: [UInt8] = []
    /// The changes between the two, oldest first.
    private(set) var unsynced: [UnsyncedChange] = []
    var modificationTimeMs: Int64
    private var hasUntoldError = false

    struct UnsyncedChange: Sendable {
        var change: Change
        /// A sync of it failed: no later one makes it durable, although a loss of power may leave it in place.
        var isAbandoned = false
    }

    enum Change: Sendable {
        case write(position: Int, bytes: [UInt8])
        case resize(Int)
    }

    init(modificationTimeMs: Int64) { self.modificationTimeMs = modificationTimeMs }

    mutating func apply(_ change: Change) {
        Self.apply(change, to: &self.current)
        self.unsynced.append(UnsyncedChange(change: change))
    }

    /// Changes bytes behind everybody's back, on stable storage too.
    mutating func damage(at position: Int, xor mask: UInt8) {
        if position < self.current.count { self.current[position] ^= mask }
        if position < self.durable.count { self.durable[position] ^= mask }
    }

    mutating func sync() {
        for unsynced in self.unsynced where !unsynced.isAbandoned { Self.apply(unsynced.change, to: &self.durable) }
        self.unsynced.removeAll { !$0.isAbandoned }
    }

    mutating func failSync() {
        for index in self.unsynced.indices { self.unsynced[index].isAbandoned = true }
    }

    /// A sync of the whole file system failed. Whose bytes were lost, the next sync of each file tells.
    mutating func failSyncUntold() {
        if self.unsynced.contains(where: { !$0.isAbandoned }) { self.hasUntoldError = true }
        self.failSync()
    }

    /// Tells of that error, once.
    mutating func takeUntoldError() -> Bool {
        defer { self.hasUntoldError = false }
        if self.hasUntoldError { self.failSync() }
        return self.hasUntoldError
    }

    mutating func losePower(_ loss: PowerLoss, using generator: inout some RandomNumberGenerator) {
        switch loss {
        case .everything: break
        case .nothing: self.durable = self.current
        case .arbitrary:
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: break
            case 1: self.durable = self.current
            case 2: self.keepTornPrefix(using: &generator)
            default: self.keepSomeSectors(using: &generator)
            }
        }
        self.current = self.durable
        self.unsynced = []
        self.hasUntoldError = false
    }

    /// The oldest changes reach the disk in order, the last of them in part.
    private mutating func keepTornPrefix(using generator: inout some RandomNumberGenerator) {
        let whole = Int.random(in: 0...self.unsynced.count, using: &generator)
        for unsynced in self.unsynced.prefix(whole) { Self.apply(unsynced.change, to: &self.durable) }
        guard whole < self.unsynced.count, case .write(let position, let bytes) = self.unsynced[whole].change else {
            return
        }
        let sectors = Self.sectors(position: position, count: bytes.count)
        let kept = sectors.prefix(Int.random(in: 0...sectors.count, using: &generator))
        self.keep(kept, position: position, bytes: bytes)
    }

    /// Any sector of any change reaches the disk or does not. The length may get there without the bytes, which are
    /// then zeros.
    private mutating func keepSomeSectors(using generator: inout some RandomNumberGenerator) {
        let odds = Int.random(in: 1...9, using: &generator)
        for unsynced in self.unsynced {
            switch unsynced.change {
            case .resize:
                if Bool.random(using: &generator) { Self.apply(unsynced.change, to: &self.durable) }
            case .write(let position, let bytes):
                let kept = Self.sectors(position: position, count: bytes.count).filter { _ in
                    Int.random(in: 0..<10, using: &generator) < odds
                }
                self.keep(kept[...], position: position, bytes: bytes)
            }
        }
        if Int.random(in: 0..<4, using: &generator) == 0, self.durable.count < self.current.count {
            Self.apply(.resize(self.current.count), to: &self.durable)
        }
    }

    private mutating func keep(_ sectors: ArraySlice<Range<Int>>, position: Int, bytes: [UInt8]) {
        for sector in sectors {
            let part = Array(bytes[(sector.lowerBound - position)..<(sector.upperBound - position)])
            Self.apply(.write(position: sector.lowerBound, bytes: part), to: &self.durable)
        }
    }

    /// The parts of a write that lie in different sectors, as positions in the file.
    private static func sectors(position: Int, count: Int) -> [Range<Int>] {
        var sectors: [Range<Int>] = []
        var start = position
        while start < position + count {
            let end = min((start / Self.sectorBytes + 1) * Self.sectorBytes, position + count)
            sectors.append(start..<end)
            start = end
        }
        return sectors
    }

    private static func apply(_ change: Change, to content: inout [UInt8]) {
        switch change {
        case .resize(let size):
            if size < content.count {
                content.removeLast(content.count - size)
            } else {
                content.append(contentsOf: repeatElement(0, count: size - content.count))
            }
        case .write(let position, let bytes):
            guard !bytes.isEmpty else { return }
            if content.count < position { Self.apply(.resize(position), to: &content) }
            let overlap = min(content.count - position, bytes.count)
            content.replaceSubrange(position..<(position + overlap), with: bytes.prefix(overlap))
            content.append(contentsOf: bytes.dropFirst(overlap))
        }
    }
}
