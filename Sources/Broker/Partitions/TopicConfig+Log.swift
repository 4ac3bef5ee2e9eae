// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaConfig
import KafkaRecords

extension TopicConfig {
    /// The configs as the log of a partition takes them.
    func logConfig(producerIDExpirationMs: Int64) -> LogConfig {
        var config = LogConfig()
        config.segmentBytes = Int64(self.segmentBytes)
        config.segmentMs = self.segmentMs
        config.segmentJitterMs = self.segmentJitterMs
        config.indexIntervalBytes = Int64(self.indexIntervalBytes)
        config.segmentIndexBytes = Int64(self.segmentIndexBytes)
        config.retentionBytes = self.retentionBytes
        config.retentionMs = self.retentionMs
        config.isDeleted = self.cleanupPolicy.contains(.delete)
        config.isCompacted = self.cleanupPolicy.contains(.compact)
        config.deleteRetentionMs = self.deleteRetentionMs
        config.minCleanableDirtyRatio = self.minCleanableDirtyRatio
        config.minCompactionLagMs = self.minCompactionLagMs
        config.maxCompactionLagMs = self.maxCompactionLagMs
        config.maxMessageBytes = self.maxMessageBytes
        config.flushMessages = self.flushMessages
        config.flushMs = self.flushMs
        config.fileDeleteDelayMs = self.fileDeleteDelayMs
        config.producerIDExpirationMs = producerIDExpirationMs
        return config
    }

    /// What an acks=all answer of such a topic promises.
    var durability: Durability {
        if self.acksAllWaitsForStableStorage { return .everyCommit }
        return .relaxed(
            messages: self.flushMessages == .max ? nil : self.flushMessages,
            milliseconds: self.flushMs == .max ? nil : self.flushMs
        )
    }
}

extension TopicConfig {
    /// The configs as the check of produced batches takes them.
    ///
    /// - Parameter maxInflatedBytes: what a compressed batch may inflate to: the broker's `socket.request.max.bytes`.
    func validatorConfig(maxInflatedBytes: Int) -> BatchValidator.Configuration {
        var config = BatchValidator.Configuration()
        config.maxMessageBytes = self.maxMessageBytes
        config.timestampType = self.messageTimestampType == .logAppendTime ? .logAppendTime : .createTime
        config.timestampBeforeMaxMs = self.messageTimestampBeforeMaxMs
        config.timestampAfterMaxMs = self.messageTimestampAfterMaxMs
        config.codec = self.storedCodec
        config.levels.gzip = Int32(self.compressionGzipLevel)
        config.levels.lz4 = Int32(self.compressionLZ4Level)
        config.levels.zstd = Int32(self.compressionZstdLevel)
        config.isCompacted = self.cleanupPolicy.contains(.compact)
        config.maxInflatedBytes = maxInflatedBytes
        return config
    }

    /// The codec that batches are stored with, or nil for the producer's.
    private var storedCodec: CompressionCodec? {
        switch self.compressionType {
        case .producer: nil
        case .uncompressed: CompressionCodec.none
        case .gzip: .gzip
        case .snappy: .snappy
        case .lz4: .lz4
        case .zstd: .zstd
        }
    }
}
