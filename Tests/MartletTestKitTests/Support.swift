// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import MartletTestKit
import NIOCore
import NIOPosix

extension Martlet {
    /// Runs `body` with a client of this broker.
    func withCluster<Result: Sendable>(
        clientID: String = "test", _ body: (KafkaCluster) async throws -> Result
    ) async throws -> Result {
        let addresses = self.bootstrap.split(separator: ",").compactMap { BrokerAddress($0) }
        var configuration = KafkaClusterConfiguration(bootstrap: addresses)
        configuration.connection.clientID = clientID
        return try await KafkaCluster.withCluster(configuration, body)
    }

    /// Writes one record to partition 0 of topic `t`; returns its offset.
    @discardableResult
    func produce(_ value: String) async throws -> Offset? {
        try await self.withCluster { try await $0.produce(value) }
    }
}

extension KafkaCluster {
    /// Writes one record; returns its offset.
    @discardableResult
    func produce(_ value: String, to partition: TopicPartition = TopicPartition(topic: "t", partition: 0)) async throws
        -> Offset?
    {
        var builder = RecordBatchBuilder()
        try builder.append(key: nil, value: ByteBuffer(string: value), timestamp: 1_000)
        return try await self.produce(try builder.finish(), to: partition).baseOffset
    }
}

/// Whether somebody accepts connections on a port of 127.0.0.1.
func isListening(_ port: Int) async -> Bool {
    let connecting = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(
        host: "127.0.0.1", port: port)
    guard let channel = try? await connecting.get() else { return false }
    try? await channel.close()
    return true
}
