// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaTypes

extension GroupPage {
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("group")
            json.string(self.group.groupID)
            json.name("state")
            json.string(self.group.state.rawValue)
            json.name("type")
            json.string(self.group.type.rawValue)
            json.name("protocolType")
            json.string(self.group.protocolType)
            json.name("coordinator")
            json.object { json in
                json.name("id")
                json.integer(self.group.coordinator.nodeID.rawValue)
                json.name("host")
                json.string(self.group.coordinator.address.host)
                json.name("port")
                json.integer(self.group.coordinator.address.port)
            }
            json.name("assignor")
            json.string(self.group.assignor.isEmpty ? nil : self.group.assignor)
            json.name("groupEpoch")
            json.integer(self.group.groupEpoch)
            json.name("assignmentEpoch")
            json.integer(self.group.assignmentEpoch)
            json.name("partitions")
            json.array { json in for row in self.rows { Self.write(row, to: &json) } }
            json.name("members")
            json.array { json in for member in self.group.members { Self.write(member, to: &json) } }
        }
    }

    private static func write(_ row: Row, to json: inout JSONWriter) {
        json.object { json in
            json.name("topic")
            json.string(row.partition.topic)
            json.name("partition")
            json.integer(row.partition.partition.rawValue)
            json.name("committedOffset")
            json.integer(row.offset?.offset.rawValue)
            json.name("leaderEpoch")
            json.integer(row.offset.flatMap { $0.leaderEpoch == .none ? nil : $0.leaderEpoch.rawValue })
            json.name("metadata")
            json.string(row.offset?.metadata)
            json.name("endOffset")
            json.integer(row.endOffset?.rawValue)
            json.name("lag")
            json.integer(row.offset?.lag)
            json.name("timeLagMs")
            json.integer(row.offset?.timeLag?.wholeMilliseconds)
            json.name("member")
            json.string(row.member?.memberID)
        }
    }

    private static func write(_ member: GroupMember, to json: inout JSONWriter) {
        json.object { json in
            json.name("member")
            json.string(member.memberID)
            json.name("instance")
            json.string(member.instanceID)
            json.name("clientId")
            json.string(member.clientID)
            json.name("host")
            json.string(member.hostText)
            json.name("rack")
            json.string(member.rackID)
            json.name("epoch")
            json.integer(member.memberEpoch)
            json.name("protocol")
            json.string(member.usesClassicProtocol.map { $0 ? "classic" : "consumer" })
            json.name("subscribedTopics")
            json.array { json in for topic in member.subscribedTopics { json.string(topic) } }
            json.name("subscribedRegex")
            json.string(member.subscribedRegex)
            json.name("assignment")
            Self.write(member.assignment, to: &json)
            json.name("targetAssignment")
            if let target = member.targetAssignment { Self.write(target, to: &json) } else { json.null() }
        }
    }

    /// `{"orders":[0,1]}`. The partitions have to be ascending.
    private static func write(_ partitions: [TopicPartition], to json: inout JSONWriter) {
        json.object { json in
            var topic: String?
            for partition in partitions {
                if partition.topic != topic {
                    if topic != nil { json.close(UInt8(ascii: "]")) }
                    json.name(partition.topic)
                    json.open(UInt8(ascii: "["))
                    topic = partition.topic
                }
                json.integer(partition.partition.rawValue)
            }
            if topic != nil { json.close(UInt8(ascii: "]")) }
        }
    }
}
