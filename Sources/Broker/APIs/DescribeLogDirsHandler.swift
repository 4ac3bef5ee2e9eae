// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaMessages
import KafkaTypes
import KafkaWire

/// DescribeLogDirs (key 35): how large the partitions of a data directory are, and how much room it has.
///
/// Served: 1-5. From version 3 on the answer has an error as a whole, from 4 on the size and the free space of the file
/// system (KIP-827), from 5 on whether the directory takes new partitions (it always does).
///
/// Null topics mean all. Partitions that are not there are left out, as in Kafka.
struct DescribeLogDirsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: DescribeLogDirsRequest) -> Answer<DescribeLogDirsResponse> {
        .later(self.broker.readers.run(on: self.context.eventLoop) { self.response(to: request) })
    }

    private func response(to request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
        var directory = DescribeLogDirsResponse.DescribeLogDirsResult()
        directory.logDir = self.broker.logs.path
        if let space = DiskSpace(path: self.broker.logs.path) {
            directory.totalBytes = space.total
            directory.usableBytes = space.usable
        }
        if let wanted = request.topics {
            let indexes = Dictionary(wanted.map { ($0.topic, Set($0.partitions)) }) { $0.union($1) }
            directory.topics = indexes.keys.sorted().compactMap { name in
                guard let topic = self.broker.topics.topic(named: name), let wanted = indexes[name] else { return nil }
                return Self.describe(topic) { wanted.contains($0) }
            }
        } else {
            let topics = self.broker.topics.all.sorted { $0.name < $1.name }
            directory.topics = topics.map { Self.describe($0) { _ in true } }
        }
        var response = DescribeLogDirsResponse()
        response.results = [directory]
        return response
    }

    private static func describe(
        _ topic: ServedTopic,
        where isWanted: (Int32) -> Bool
    ) -> DescribeLogDirsResponse.DescribeLogDirsTopic {
        var answer = DescribeLogDirsResponse.DescribeLogDirsTopic()
        answer.name = topic.name
        for partition in topic.partitions where isWanted(partition.topicPartition.partition.rawValue) {
            var described = DescribeLogDirsResponse.DescribeLogDirsPartition()
            described.partitionIndex = partition.topicPartition.partition.rawValue
            described.partitionSize = partition.log.sizeInBytes
            answer.partitions.append(described)
        }
        return answer
    }
}
