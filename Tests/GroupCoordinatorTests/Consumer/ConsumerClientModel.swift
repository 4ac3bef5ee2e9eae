// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import SimulatedIO

@testable import GroupCoordinator

/// A consumer as the coordinator sees it: what it sends, and what it takes an answer for.
struct ConsumerClientModel {
    let id: String
    let instanceID: String?
    var names: [String]
    var pattern: String?
    /// Said along with everything else; -1 for none.
    var weight: Int32 = -1 {
        didSet { self.mustSayAll = true }
    }
    private(set) var epoch: Int32 = 0
    /// What it uses.
    private(set) var owned = PartitionSet()
    /// What the last answer said that it is to have.
    private var assigned = PartitionSet()
    /// Something may not have reached the coordinator, or the answer not us.
    private var mustSayAll = true
    private var isChanged = true

    init(id: String, instanceID: String? = nil, names: [String], pattern: String? = nil) {
        self.id = id
        self.instanceID = instanceID
        self.names = names
        self.pattern = pattern
    }

    mutating func subscribe(_ names: [String], _ pattern: String?) {
        self.names = names
        self.pattern = pattern
        self.mustSayAll = true
    }

    /// Stops using what it is no longer to have.
    mutating func giveUp() {
        let kept = self.owned.intersection(self.assigned)
        self.isChanged = self.isChanged || kept != self.owned
        self.owned = kept
    }

    mutating func heartbeat() -> ConsumerGroupHeartbeatRequest {
        var request = ConsumerGroupHeartbeatRequest()
        request.groupID = "g"
        request.memberID = self.id
        request.memberEpoch = self.epoch
        request.instanceID = self.instanceID
        if self.mustSayAll {
            request.rebalanceTimeoutMs = 20_000
            request.subscribedTopicNames = self.names
            request.subscribedTopicRegex = self.pattern ?? ""
            request.weight = self.weight
        }
        if self.mustSayAll || self.isChanged {
            request.topicPartitions = self.owned.sorted.map { entry in
                var topic = ConsumerGroupHeartbeatRequest.TopicPartitions()
                topic.topicID = entry.topic
                topic.partitions = entry.indexes
                return topic
            }
        }
        // Until an answer came.
        self.mustSayAll = true
        self.isChanged = false
        return request
    }

    func leaving(_ epoch: Int32) -> ConsumerGroupHeartbeatRequest {
        var request = ConsumerGroupHeartbeatRequest()
        request.groupID = "g"
        request.memberID = self.id
        request.memberEpoch = epoch
        request.instanceID = self.instanceID
        return request
    }

    mutating func take(_ response: ConsumerGroupHeartbeatResponse) {
        guard response.errorCode == 0 else {
            switch ErrorCode(rawValue: response.errorCode) {
            case .fencedMemberEpoch, .unknownMemberID, .groupIDNotFound:
                self.epoch = 0
                self.owned = PartitionSet()
                self.assigned = PartitionSet()
            default: break
            }
            return
        }
        self.mustSayAll = false
        self.epoch = response.memberEpoch
        guard let assignment = response.assignment else { return }
        self.assigned = PartitionSet(assignment.topicPartitions)
        let new = self.owned.union(self.assigned)
        self.isChanged = self.isChanged || new != self.owned
        self.owned = new
    }
}
