// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What a file of a log is, by its name: Martlet's, or Kafka's.
struct DumpFile: Hashable {
    enum Kind: Hashable {
        case log
        case index
        case timeIndex
        case transactionIndex
        case snapshot
        /// A checkpoint: a version, a count, and lines.
        case checkpoint
        /// Lines of `name=value` or `name: value`.
        case properties
    }

    /// What a file has at its end while it is cleaned, or waits to be removed.
    private static let suffixes = [".deleted", ".cleaned", ".swap"]
    private static let digitCount = 20

    var path: String
    var kind: Kind
    /// The first offset, of files that are named by it; else 0.
    var baseOffset: Int64 = 0

    /// Nil for a name that no file of a log has.
    init?(path: String) {
        self.path = path
        let parts = path.split(separator: "/")
        guard var name = parts.last.map(String.init) else { return nil }
        for suffix in Self.suffixes where name.hasSuffix(suffix) { name.removeLast(suffix.count) }
        switch name {
        case "leader-epoch-checkpoint", "recovery-point-offset-checkpoint", "log-start-offset-checkpoint",
            "replication-offset-checkpoint", "cleaner-offset-checkpoint", "damaged-ranges":
            self.kind = .checkpoint
        case "meta.properties", "partition.metadata", "compaction":
            self.kind = .properties
        default:
            guard let dot = name.lastIndex(of: "."), let kind = Self.kind(name[name.index(after: dot)...]) else {
                return nil
            }
            // Snapshots of the metadata log have the epoch behind the offset.
            let digits = name[..<dot].prefix { $0 != "-" }
            guard digits.utf8.count == Self.digitCount, let offset = Int64(digits), offset >= 0 else { return nil }
            self.kind = kind
            self.baseOffset = offset
        }
    }

    private static func kind(_ ending: Substring) -> Kind? {
        switch ending {
        // The snapshots of Kafka's metadata log are batches, too.
        case "log", "checkpoint": .log
        case "index": .index
        case "timeindex": .timeIndex
        case "txnindex": .transactionIndex
        case "snapshot": .snapshot
        default: nil
        }
    }

    /// The name of the directory that the file is in; empty when the path does not say.
    var directoryName: Substring {
        let parts = self.path.split(separator: "/")
        return parts.count > 1 ? parts[parts.count - 2] : ""
    }

    /// The partition's records are those of the group coordinator.
    var isOfGroups: Bool { self.directoryName.hasPrefix("__consumer_offsets-") }

    /// Segments in their order, each log before what belongs to it.
    static func isBefore(_ left: DumpFile, _ right: DumpFile) -> Bool {
        (left.baseOffset, left.rank, left.path) < (right.baseOffset, right.rank, right.path)
    }

    private var rank: Int {
        switch self.kind {
        case .properties: 0
        case .checkpoint: 1
        case .log: 2
        case .index: 3
        case .timeIndex: 4
        case .transactionIndex: 5
        case .snapshot: 6
        }
    }
}
