// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaTypes

/// Whether a consumer does its work, told from what happens to it.
struct ConsumerLife: Sendable {
    private var assigned: Set<TopicPartition> = []
    private var hasJoined = false
    private var failure: KafkaClientError?
    /// What keeps it from handling what it reads.
    var trouble: String?

    mutating func happened(_ event: KafkaConsumerEvent) {
        switch event {
        case .assigned(let partitions):
            self.assigned.formUnion(partitions)
            self.hasJoined = true
            self.failure = nil
        case .revoked(let partitions):
            self.assigned.subtract(partitions)
        case .lost(let partitions, let error):
            self.assigned.subtract(partitions)
            self.hasJoined = false
            self.failure = error
        case .retrying(let error):
            if !self.hasJoined { self.failure = error }
        default:
            break
        }
    }

    /// Nil when all is well.
    var problem: String? {
        if let trouble { return "cannot handle events: \(trouble)" }
        if !self.hasJoined { return self.failure.map { "not in its group: \($0)" } ?? "has not joined its group yet" }
        return nil
    }
}
