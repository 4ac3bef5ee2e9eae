// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaClient
import KafkaRecords
import KafkaTypes
import NIOCore

/// A record that should be an event, and what became of it so far.
struct ReceivedEvent: Sendable {
    let partition: TopicPartition
    let record: Record

    /// Reads the envelope; throws when it is none.
    func event() throws -> Event {
        guard let value = self.record.value else { throw EventRejected("the record has no value") }
        return try Event(json: Data(value.readableBytesView))
    }

    /// How often it was tried before.
    var earlierAttempts: Int { self.record.headers.last(EventHeaders.attempts).flatMap { Int($0) } ?? 0 }

    /// Milliseconds since 1970 before which it is not to be tried; nil in a topic that is not for retries.
    var notBeforeMs: Int64? { self.record.headers.last(EventHeaders.notBefore).flatMap { Int64($0) } }

    /// The record for the retry topic or the dead letters: the same key and bytes, and why it is there. What is known from
    /// an earlier failure about where it came from stays.
    func forwarded(to topic: String, error: any Error, attempts: Int, notBeforeMs: Int64?) -> ProducerRecord {
        let known = self.record.headers
        var headers = known.filter { !Self.rewritten.contains($0.name) }
        let origin = [
            (EventHeaders.originalTopic, self.partition.topic),
            (EventHeaders.originalPartition, "\(self.partition.partition)"),
            (EventHeaders.originalOffset, "\(self.record.offset)"),
        ]
        for (name, value) in origin { headers.append(RecordHeader(name, known.last(name) ?? value)) }
        headers.append(RecordHeader(EventHeaders.attempts, "\(attempts)"))
        headers.append(RecordHeader(EventHeaders.error, "\(error)"))
        if let notBeforeMs { headers.append(RecordHeader(EventHeaders.notBefore, "\(notBeforeMs)")) }
        return ProducerRecord(topic: topic, key: self.record.key, value: self.record.value, headers: headers)
    }

    private static let rewritten: Set<String> = [
        EventHeaders.originalTopic, EventHeaders.originalPartition, EventHeaders.originalOffset,
        EventHeaders.attempts, EventHeaders.error, EventHeaders.notBefore,
    ]
}

/// An event that was not handled, and why.
struct FailedEvent: Sendable {
    var received: ReceivedEvent
    var error: any Error

    var failure: RetryPlan.Failure {
        self.error is DecodingError || self.error is EventRejected ? .hopeless : .failed
    }
}
