// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How the records of a batch are compressed: the lowest three bits of the batch attributes.
public enum CompressionCodec: Int8, Sendable, Hashable, CaseIterable {
    case none = 0
    case gzip = 1
    case snappy = 2
    case lz4 = 3
    /// KIP-110: producers may use it from Produce version 7, consumers get it from Fetch version 10.
    case zstd = 4

    /// The name used by the `compression.type` configs, except that Kafka calls `none` "uncompressed" for topics.
    public var name: String {
        switch self {
        case .none: "none"
        case .gzip: "gzip"
        case .snappy: "snappy"
        case .lz4: "lz4"
        case .zstd: "zstd"
        }
    }

    /// Reads a name as `compression.type` has it, "uncompressed" included; nil for anything else, "producer" too.
    public init?(name: String) {
        switch name {
        case "none", "uncompressed": self = .none
        case "gzip": self = .gzip
        case "snappy": self = .snappy
        case "lz4": self = .lz4
        case "zstd": self = .zstd
        default: return nil
        }
    }
}

/// Whose clock gave a record its timestamp: bit 3 of the batch attributes, and the `message.timestamp.type` configs.
public enum TimestampType: Int8, Sendable, Hashable, CaseIterable {
    /// The producer's: every record has its own.
    case createTime = 0
    /// The broker's, at the moment of the append: all records of a batch share the batch's max timestamp.
    case logAppendTime = 1

    /// The name used by `message.timestamp.type`: `CreateTime` or `LogAppendTime`.
    public var name: String {
        switch self {
        case .createTime: "CreateTime"
        case .logAppendTime: "LogAppendTime"
        }
    }

    /// Reads a name as `message.timestamp.type` has it; nil for anything else.
    public init?(name: String) {
        switch name {
        case "CreateTime": self = .createTime
        case "LogAppendTime": self = .logAppendTime
        default: return nil
        }
    }
}
