// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Why a batch of a produce request is refused, in the words that go back to the producer.
public struct BatchRejection: Error, Sendable, Equatable, CustomStringConvertible {
    /// The error of the protocol that it is answered with, by Kafka's names.
    public enum Code: Sendable, Hashable {
        /// CORRUPT_MESSAGE: the bytes were damaged on the way; a producer sends them again.
        case corruptMessage
        /// MESSAGE_TOO_LARGE: a producer may split the batch and send it again.
        case messageTooLarge
        /// INVALID_TIMESTAMP
        case invalidTimestamp
        /// INVALID_RECORD
        case invalidRecord
        /// UNSUPPORTED_COMPRESSION_TYPE
        case unsupportedCompressionType
        /// UNKNOWN_SERVER_ERROR: not the batch is at fault, a codec library failed.
        case unknownServerError
    }

    /// One record at fault.
    public struct RecordProblem: Sendable, Equatable {
        /// The number of the record in the batch, from 0.
        public var index: Int32
        /// What is wrong with it, as a sentence.
        public var message: String

        /// A problem to be reported.
        public init(index: Int32, message: String) {
            self.index = index
            self.message = message
        }
    }

    /// The error to answer with.
    public var code: Code
    /// What is wrong and what to do about it. It does not name the partition: the answer stands beside it.
    public var message: String
    /// The records at fault in the order of the batch, no more than `BatchValidator.reportedProblemsMax`; empty when
    /// the batch as a whole is.
    public var recordProblems: [RecordProblem]

    /// A rejection of the whole batch, for the reasons given.
    public init(_ code: Code, _ message: String, recordProblems: [RecordProblem] = []) {
        self.code = code
        self.message = message
        self.recordProblems = recordProblems
    }

    /// The message.
    public var description: String { self.message }
}

extension BatchRejection {
    /// What a producer is told when its bytes are not a sound batch.
    init(_ error: RecordError) {
        let code: Code =
            switch error {
            case .checksumMismatch, .invalidBatchLength: .corruptMessage
            // The formats before magic 2 are known and gone, and Kafka calls them invalid since Produce 3; anything else
            // is no batch at all.
            case .unsupportedMagic(let magic): magic == 0 || magic == 1 ? .invalidRecord : .corruptMessage
            // Smaller batches help, as they do against `max.message.bytes`.
            case .inflatesBeyondLimit, .batchTooLarge: .messageTooLarge
            case .unknownCodec: .unsupportedCompressionType
            case .codecFailure: .unknownServerError
            default: .invalidRecord
            }
        let problems = error.recordIndex.map {
            [RecordProblem(index: Int32(truncatingIfNeeded: $0), message: error.description)]
        }
        self.init(code, error.description, recordProblems: problems ?? [])
    }

    /// Runs `body` and turns its error into a rejection.
    @inline(__always)
    static func catching<Value>(_ body: () throws(RecordError) -> Value) throws(BatchRejection) -> Value {
        do throws(RecordError) {
            return try body()
        } catch {
            throw BatchRejection(error)
        }
    }
}
