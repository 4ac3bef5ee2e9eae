// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaWire
import Logging
import ServiceLifecycle

/// Makes the topics that a service needs, so that a first try takes no preparation. Where topics are provisioned by
/// somebody else it finds them there.
public struct TopicsMaker: Service {
    /// How long to wait for a cluster that does not answer.
    static let pause = Duration.seconds(1)

    let cluster: KafkaCluster
    let topics: [String]
    let partitions: Int32
    let logger: Logger

    /// Tries until it has succeeded, then waits for the shutdown.
    public func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while !(await self.make()) { try await Task.sleep(for: Self.pause) }
        }
        try? await gracefulShutdown()
    }

    private func make() async -> Bool {
        do {
            let results = try await self.cluster.createTopics(
                self.topics.map { NewTopic($0, partitionCount: self.partitions) })
            for result in results {
                guard case .failure(let error) = result.result, error.errorCode != .topicAlreadyExists else { continue }
                throw error
            }
            return true
        } catch {
            self.logger.warning("topics cannot be made yet", metadata: ["error": "\(error)"])
            return false
        }
    }
}
