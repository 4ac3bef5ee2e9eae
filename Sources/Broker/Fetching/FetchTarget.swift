// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaTypes
import KafkaWire

/// One partition that a fetch asks for.
struct FetchTarget: Sendable {
    /// A partition as the fetch named it: by topic id from version 13 on, by name before.
    struct Key: Hashable, Sendable {
        /// Empty when the fetch went by id and the id is not known.
        var topic: String
        /// Zero when the fetch went by name.
        var topicID: TopicID
        var partition: Int32
    }

    var key: Key
    var fetchOffset: Int64
    /// Bytes at the most from this partition; a first batch that is larger is sent all the same.
    var maxBytes: Int32
    /// The leader epoch the client believes in; -1 to skip the check (KIP-320).
    var currentLeaderEpoch: Int32
    /// The epoch of the last record the client has; -1 to skip the check for divergence (KIP-595).
    var lastFetchedEpoch: Int32
}

/// What was found for one target.
struct FetchedPartition: Sendable {
    /// The largest offset at which the log of the requested epoch and ours agree (KIP-595).
    struct Divergence: Sendable {
        var epoch: Int32
        var endOffset: Int64
    }

    var key: FetchTarget.Key
    var errorCode: ErrorCode = .none
    var highWatermark: Int64 = -1
    var lastStableOffset: Int64 = -1
    var logStartOffset: Int64 = -1
    var divergence: Divergence?
    var records: Records = .none
    /// Records in what is sent.
    var recordCount = 0
    /// Where they are counted; nil without a topic.
    var metrics: TopicMetrics?

    /// How the records get to the socket.
    enum Records: Sendable {
        case none
        /// Few bytes: copied, since a system call for each would cost more.
        case bytes(RecordBytes)
        /// Sent from the page cache by the kernel.
        case slice(LogSlice)
    }

    init(key: FetchTarget.Key) {
        self.key = key
    }

    init(key: FetchTarget.Key, errorCode: ErrorCode) {
        self.key = key
        self.errorCode = errorCode
    }

    /// Something besides records has to be told, now.
    var isUrgent: Bool { self.errorCode != .none || self.divergence != nil }

    var recordByteCount: Int {
        switch self.records {
        case .none: 0
        case .bytes(let bytes): bytes.byteCount
        case .slice(let slice): slice.byteCount
        }
    }
}
