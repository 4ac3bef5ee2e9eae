// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import GroupCoordinator
import KafkaTypes

/// The topics of the metadata as groups see them.
struct ImageTopics: TopicsView {
    let image: ClusterImage

    var version: Int64 { self.image.version }

    func topic(named name: String) -> TopicFacts? { self.image.topic(named: name).map(Self.facts) }

    func topic(id: TopicID) -> TopicFacts? { self.image.topic(id: id).map(Self.facts) }

    func names(matching pattern: String) throws(TopicPatternError) -> [String] {
        let names = self.image.topics.lazy.filter { !$0.isInternal }.map { $0.name }
        return try TopicPattern(pattern).matching(names).sorted()
    }

    private static func facts(_ topic: TopicImage) -> TopicFacts {
        TopicFacts(id: topic.id, name: topic.name, partitionCount: Int32(clamping: topic.partitions.count))
    }
}
