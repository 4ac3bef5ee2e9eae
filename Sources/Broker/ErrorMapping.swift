// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import CommitLog
import KafkaConfig
import KafkaRecords
import KafkaWire

// Where the errors of the rooms below become error codes of the protocol. Nowhere else.

extension LogError {
    var errorCode: ErrorCode {
        switch self {
        case .offsetOutOfRange: .offsetOutOfRange
        case .corrupt: .corruptMessage
        case .closed: .notLeaderOrFollower
        case .fenced, .full, .storage, .malformed, .directoryLocked, .partitionExists: .kafkaStorageError
        }
    }
}

extension AppendError {
    var errorCode: ErrorCode {
        switch self {
        case .outOfOrderSequence: .outOfOrderSequenceNumber
        case .invalidProducerEpoch: .invalidProducerEpoch
        case .duplicateSequence: .duplicateSequenceNumber
        case .recordListTooLarge: .recordListTooLarge
        case .fencedLeaderEpoch: .notLeaderOrFollower
        case .storage(let error): error.errorCode
        }
    }
}

extension BatchRejection {
    var errorCode: ErrorCode {
        switch self.code {
        case .corruptMessage: .corruptMessage
        case .messageTooLarge: .messageTooLarge
        case .invalidTimestamp: .invalidTimestamp
        case .invalidRecord: .invalidRecord
        case .unsupportedCompressionType: .unsupportedCompressionType
        case .unknownServerError: .unknownServerError
        }
    }
}

extension MetadataError {
    var errorCode: ErrorCode {
        switch self.code {
        case .invalidTopicName: .invalidTopicException
        case .topicAlreadyExists: .topicAlreadyExists
        case .unknownTopic, .unknownPartition: .unknownTopicOrPartition
        case .unknownTopicID: .unknownTopicID
        case .invalidPartitions: .invalidPartitions
        case .invalidReplicationFactor: .invalidReplicationFactor
        case .invalidReplicaAssignment: .invalidReplicaAssignment
        case .staleLeaderEpoch: .fencedLeaderEpoch
        case .limitReached: .policyViolation
        case .storage: .kafkaStorageError
        default: .unknownServerError
        }
    }
}

extension ConfigError {
    var errorCode: ErrorCode {
        switch self.code {
        case .duplicate: .invalidRequest
        default: .invalidConfig
        }
    }
}
