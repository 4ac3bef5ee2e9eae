// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@testable import KafkaClient

@Suite struct MetadataCacheTests {
    private static let orders0 = TopicPartition(topic: "orders", partition: 0)

    private static func answer(
        leader: Int32, epoch: Int32, id: TopicID = TopicID(high: 1, low: 1), errorCode: ErrorCode = .none,
        brokers: [Int32] = [0, 1]
    ) -> MetadataResponse {
        var partition = MetadataResponse.MetadataResponsePartition()
        partition.leaderID = leader
        partition.leaderEpoch = epoch
        var topic = MetadataResponse.MetadataResponseTopic()
        topic.name = "orders"
        topic.topicID = id
        topic.errorCode = errorCode.rawValue
        topic.partitions = [partition]
        var response = MetadataResponse()
        response.topics = [topic]
        response.brokers = brokers.map { node in
            var broker = MetadataResponse.MetadataResponseBroker()
            broker.nodeID = node
            broker.host = "broker\(node)"
            broker.port = 9092
            return broker
        }
        return response
    }

    @Test("an answer of an older leader epoch changes nothing, a newer one does")
    func epochs() {
        var cache = MetadataCache()
        cache.update(Self.answer(leader: 0, epoch: 5), now: .zero)
        cache.update(Self.answer(leader: 1, epoch: 4), now: .zero)
        #expect(cache.leader(of: Self.orders0)?.node == 0)
        cache.update(Self.answer(leader: 1, epoch: 6), now: .zero)
        #expect(cache.leader(of: Self.orders0)?.node == 1)
    }

    @Test("leader epochs are remembered when a broker contradicts what is known")
    func epochsAfterContradiction() {
        var cache = MetadataCache()
        cache.update(Self.answer(leader: 0, epoch: 5), now: .zero)
        cache.contradict(topic: "orders")
        #expect(cache.topic("orders") == nil)
        #expect(cache.leader(of: Self.orders0) == nil)
        cache.update(Self.answer(leader: 1, epoch: 4), now: .zero)
        #expect(cache.leader(of: Self.orders0)?.node == 0)
        #expect(cache.topic("orders")?.partitions[0].leaderEpoch == 5)
    }

    @Test("a topic that was made anew begins with epochs of its own")
    func newTopic() {
        var cache = MetadataCache()
        cache.update(Self.answer(leader: 0, epoch: 5), now: .zero)
        cache.update(Self.answer(leader: 1, epoch: 0, id: TopicID(high: 1, low: 2)), now: .zero)
        #expect(cache.leader(of: Self.orders0)?.node == 1)
        // Also where topics have no identity, and one was seen to be gone.
        cache.update(Self.answer(leader: 0, epoch: 5, id: .zero), now: .zero)
        cache.update(Self.answer(leader: -1, epoch: -1, id: .zero, errorCode: .unknownTopicOrPartition), now: .zero)
        #expect(cache.topic("orders") == nil)
        cache.update(Self.answer(leader: 1, epoch: 0, id: .zero), now: .zero)
        #expect(cache.leader(of: Self.orders0)?.node == 1)
    }

    @Test("brokers without epochs are believed")
    func noEpochs() {
        var cache = MetadataCache()
        cache.update(Self.answer(leader: 0, epoch: 5), now: .zero)
        cache.update(Self.answer(leader: 1, epoch: -1), now: .zero)
        #expect(cache.leader(of: Self.orders0)?.node == 1)
    }

    @Test("a broker that knows no others leaves those that are known")
    func noBrokers() {
        var cache = MetadataCache()
        cache.update(Self.answer(leader: 0, epoch: 5), now: .zero)
        cache.update(Self.answer(leader: 0, epoch: 5, brokers: []), now: .zero)
        #expect(cache.brokers.count == 2)
    }

    @Test("topics have an age, and every answer a version")
    func ages() {
        var cache = MetadataCache()
        #expect(cache.age(ofTopic: "orders", now: .zero) == nil)
        cache.update(Self.answer(leader: 0, epoch: 5), now: .seconds(5))
        #expect(cache.age(ofTopic: "orders", now: .seconds(8)) == .seconds(3))
        let version = cache.version
        cache.update(MetadataResponse(), now: .seconds(9))
        #expect(cache.version == version + 1)
        #expect(cache.age(ofTopic: "orders", now: .seconds(9)) == .seconds(4))
        cache.forgetCluster()
        #expect(cache.version == version + 2)
        #expect(cache.brokers.isEmpty)
    }
}
