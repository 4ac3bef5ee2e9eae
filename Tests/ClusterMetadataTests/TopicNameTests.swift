// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import Testing

@Suite("Names of topics")
struct TopicNameTests {
    @Test(
        "valid names are taken",
        arguments: ["a", "A.b_c-9", "...", "__consumer_offsets", String(repeating: "x", count: 249)])
    func valid(name: String) throws {
        try TopicName.validate(name)
    }

    @Test(
        "names that could not be directories or metrics are refused",
        arguments: ["", ".", "..", "a b", "a/b", "ä", "a\0", "a:b", "a\n", String(repeating: "x", count: 250)])
    func invalid(name: String) {
        let error = #expect(throws: MetadataError.self) { try TopicName.validate(name) }
        #expect(error?.code == .invalidTopicName)
    }

    @Test("dots and underscores are the same when names collide")
    func collisions() {
        #expect(TopicName.collisionKey("a.b_c") == TopicName.collisionKey("a_b.c"))
        #expect(TopicName.collisionKey("a.b") != TopicName.collisionKey("a-b"))
    }
}
