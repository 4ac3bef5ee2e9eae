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
        let pattern = try TopicPattern(pattern)
        var names: [String] = []
        for topic in self.image.topics where !topic.isInternal {
            if try pattern.matches(topic.name) { names.append(topic.name) }
        }
        return names.sorted()
    }

    private static func facts(_ topic: TopicImage) -> TopicFacts {
        TopicFacts(id: topic.id, name: topic.name, partitionCount: Int32(clamping: topic.partitions.count))
    }
}
