// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

/// What the leader of a classic group has to do: shares the partitions out among all members, without IO.
///
/// Members say what they like. One whose subscription cannot be read gets nothing, and the others are served.
struct ClassicLeadership: Sendable {
    /// What sharing out came to.
    struct Outcome: Sendable {
        /// What it was founded on: when these change, it has to be done again.
        var partitionCounts: [String: Int]
        /// One for each member, in bytes.
        var assignments: Result<[SyncGroupRequest.SyncGroupRequestAssignment], KafkaClientError>
    }

    private let groupID: String
    private let assignor: any ClassicAssignor
    private let isCooperative: Bool
    /// The coordinator has the assignments still and wants no others (KIP-814): only the topics are to be looked up.
    private let isSkipped: Bool
    /// Ascending by id, only those that can be understood.
    let members: [ClassicGroupMember]
    /// Versions of the consumer protocol, in which the members want to be answered.
    private let versions: [String: Int16]
    /// Members whose subscriptions cannot be read.
    let unreadable: [String]

    init(
        _ response: JoinGroupResponse, groupID: String, assignor: any ClassicAssignor, isCooperative: Bool
    ) {
        self.groupID = groupID
        self.assignor = assignor
        self.isCooperative = isCooperative
        self.isSkipped = response.skipAssignment
        var members: [ClassicGroupMember] = []
        var versions: [String: Int16] = [:]
        var unreadable: [String] = []
        for member in response.members {
            do throws(WireError) {
                let (version, understood) = try ConsumerProtocol.member(member)
                guard versions.updateValue(version, forKey: member.memberID) == nil else { continue }
                members.append(understood)
            } catch {
                unreadable.append(member.memberID)
            }
        }
        self.members = members.sorted { $0.memberID < $1.memberID }
        self.versions = versions
        self.unreadable = unreadable
    }

    /// All topics to which a member is subscribed.
    var topics: Set<String> { self.members.reduce(into: []) { $0.formUnion($1.topics) } }

    /// Shares out. O(n log n) with the assignors of the library.
    func shareOut(_ partitionCounts: [String: Int]) -> Outcome {
        guard !self.isSkipped else { return Outcome(partitionCounts: partitionCounts, assignments: .success([])) }
        let problem = ClassicAssignmentProblem(members: self.members, partitionCounts: partitionCounts)
        var shares: [String: [TopicPartition]]
        do {
            shares = try self.assignor.assign(problem)
        } catch {
            let failure = KafkaClientError(
                .invalidRequest,
                "group \(self.groupID): the assignor \(self.assignor.name) failed as the group's leader: \(error)",
                cause: error)
            return Outcome(partitionCounts: partitionCounts, assignments: .failure(failure))
        }
        if self.isCooperative { CooperativeHold.apply(to: &shares, self.members) }
        do throws(WireError) {
            var assignments: [SyncGroupRequest.SyncGroupRequestAssignment] = []
            for member in self.members {
                var assignment = SyncGroupRequest.SyncGroupRequestAssignment()
                assignment.memberID = member.memberID
                assignment.assignment = try ConsumerProtocol.assignment(
                    shares[member.memberID] ?? [], version: self.versions[member.memberID] ?? 0)
                assignments.append(assignment)
            }
            return Outcome(partitionCounts: partitionCounts, assignments: .success(assignments))
        } catch {
            let failure = KafkaClientError(
                .invalidRequest, "group \(self.groupID): an assignment does not fit into a message: \(error)")
            return Outcome(partitionCounts: partitionCounts, assignments: .failure(failure))
        }
    }
}

/// The rule that makes a group cooperative (KIP-429): nobody is given what another member still has.
enum CooperativeHold {
    /// Takes out of `shares` what another member has; it is given away when its owner has given it up and joined again.
    ///
    /// Of several that claim a partition, those are believed who were given it last (KIP-792), and one of them may keep
    /// it: they had it both before.
    static func apply(to shares: inout [String: [TopicPartition]], _ members: [ClassicGroupMember]) {
        var claims: [TopicPartition: (generation: Int32, members: Set<String>)] = [:]
        for member in members {
            let generation = member.generation ?? -1
            for partition in member.owned {
                let known = claims[partition]?.generation
                if known == generation {
                    claims[partition]?.members.insert(member.memberID)
                } else if known.map({ $0 < generation }) ?? true {
                    claims[partition] = (generation, [member.memberID])
                }
            }
        }
        for (memberID, share) in shares {
            shares[memberID] = share.filter { claims[$0]?.members.contains(memberID) ?? true }
        }
    }
}
