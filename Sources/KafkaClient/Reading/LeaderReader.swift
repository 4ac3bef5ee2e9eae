// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire

/// Reads the partitions that one broker leads: fetches the next answer while the last one is delivered.
struct LeaderReader: Sendable {
    enum Outcome: Sendable {
        /// Every partition has reached its end.
        case finished
        /// The receiver wants no more.
        case stopped
        /// These partitions have to be looked up again.
        case interrupted([ReadCursor], KafkaClientError, madeProgress: Bool)
    }

    let cluster: KafkaCluster
    let address: BrokerAddress
    let configuration: ReadConfiguration
    let deliver: @Sendable (ReadBatch) async throws -> ReadDecision

    func run(_ start: [ReadCursor]) async throws -> Outcome {
        var cursors = start.filter { !$0.isDone }
        guard !cursors.isEmpty else { return .finished }
        var madeProgress = false
        do {
            let connection = try await self.cluster.advertisedConnection(to: self.address)
            var answer = try await self.fetch(cursors, connection)
            while true {
                madeProgress = true
                let (batches, trouble) = try Self.take(answer, &cursors, self.configuration)
                answer = []
                let open = cursors.filter { !$0.isDone }
                if open.isEmpty || trouble != nil {
                    for batch in batches where try await self.deliver(batch) == .stop { return .stopped }
                    guard let trouble else { return .finished }
                    return .interrupted(open, trouble, madeProgress: !batches.isEmpty)
                }
                async let next = self.fetch(open, connection)
                for batch in batches where try await self.deliver(batch) == .stop { return .stopped }
                answer = try await next
                // The answer is that of the open ones; those that are done have no part in it any more.
                cursors = open
            }
        } catch let error as KafkaClientError where error.isRetriable {
            return .interrupted(cursors.filter { !$0.isDone }, error, madeProgress: madeProgress)
        }
    }

    private func fetch(_ cursors: [ReadCursor], _ connection: KafkaConnection) async throws -> [FetchedPartition] {
        let limits = FetchLimits(
            maxWait: self.configuration.maxWait, minBytes: self.configuration.minBytes,
            maxBytes: self.configuration.maxBytes, partitionMaxBytes: self.configuration.partitionMaxBytes,
            isolation: self.configuration.isolation)
        return try await connection.fetch(cursors.map(\.position), limits: limits).partitions
    }

    private static func take(
        _ answer: [FetchedPartition], _ cursors: inout [ReadCursor], _ configuration: ReadConfiguration
    ) throws(KafkaClientError) -> (batches: [ReadBatch], trouble: KafkaClientError?) {
        var places: [TopicPartition: Int] = [:]
        for (place, cursor) in cursors.enumerated() { places[cursor.partition] = place }
        var batches: [ReadBatch] = []
        var trouble: KafkaClientError?
        var served: Set<TopicPartition> = []
        for fetched in answer {
            guard let place = places[fetched.partition] else { continue }
            switch try cursors[place].received(fetched, configuration: configuration) {
            case .batches(let new):
                batches += new
                if !new.isEmpty { served.insert(fetched.partition) }
            case .moved(let error):
                trouble = error
            }
        }
        for index in batches.indices.dropLast() { batches[index].isFollowed = true }
        // Brokers fill an answer in the order of the request: who got something goes to the end of the next one.
        let waiting = cursors.filter { !served.contains($0.partition) }
        cursors = waiting + cursors.filter { served.contains($0.partition) }
        return (batches, trouble)
    }
}
