// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Testing

@testable import KafkaClient

@Suite struct CooperativeHoldTests {
    private static func partition(_ index: Int32) -> TopicPartition {
        TopicPartition(topic: "orders", partition: PartitionIndex(index))
    }

    private static func member(_ id: String, owned: [Int32], generation: Int32?) -> ClassicGroupMember {
        var member = ClassicGroupMember(memberID: id, topics: ["orders"])
        member.owned = owned.map(Self.partition)
        member.generation = generation
        return member
    }

    /// What is left of shares, by the numbers of the partitions.
    private static func hold(
        _ shares: [String: [Int32]], _ members: [ClassicGroupMember]
    ) -> [String: [Int32]] {
        var shares = shares.mapValues { $0.map(Self.partition) }
        CooperativeHold.apply(to: &shares, members)
        return shares.mapValues { $0.map(\.partition.rawValue) }
    }

    @Test("what another member has is not given away, and what nobody has is")
    func held() {
        let members = [
            Self.member("a", owned: [0, 1], generation: 4), Self.member("b", owned: [], generation: nil),
        ]
        #expect(Self.hold(["a": [0], "b": [1, 2]], members) == ["a": [0], "b": [2]])
    }

    @Test("of two that claim a partition the one is believed that was given it last, whoever is named first")
    func latestClaim() {
        for isReversed in [false, true] {
            let members = [
                Self.member("old", owned: [0, 1], generation: 3), Self.member("new", owned: [0, 1], generation: 5),
            ]
            let left = Self.hold(["old": [0], "new": [1]], isReversed ? members.reversed() : members)
            #expect(left == ["old": [], "new": [1]])
        }
    }

    @Test("a member that does not say when it was given a partition is believed the least")
    func noGeneration() {
        let members = [
            Self.member("silent", owned: [0], generation: nil), Self.member("b", owned: [0], generation: 0),
        ]
        #expect(Self.hold(["silent": [0], "b": []], members) == ["silent": [], "b": []])
        #expect(Self.hold(["silent": [], "b": [0]], members) == ["silent": [], "b": [0]])
    }

    @Test("of several that were given a partition at the same time any may keep it, and nobody else gets it")
    func sameGeneration() {
        let members = [
            Self.member("a", owned: [0], generation: 5), Self.member("b", owned: [0], generation: 5),
            Self.member("c", owned: [], generation: 5),
        ]
        #expect(Self.hold(["a": [], "b": [0], "c": []], members)["b"] == [0])
        #expect(Self.hold(["a": [0], "b": [], "c": []], members)["a"] == [0])
        #expect(Self.hold(["a": [], "b": [], "c": [0]], members)["c"] == [])
    }
}
