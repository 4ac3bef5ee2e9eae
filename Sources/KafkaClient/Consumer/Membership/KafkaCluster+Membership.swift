// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

extension KafkaCluster {
    /// Carries out what a membership asks for, once: repeating is the membership's business.
    ///
    /// Give it a lane that nobody else uses, since a coordinator answers JoinGroup and SyncGroup when all members have
    /// come, perhaps after minutes, and whatever is sent on the same connection waits behind. When the task is
    /// cancelled meanwhile, that connection is closed, so that the member can leave on another.
    ///
    /// The limit is for the answer of a coordinator. Throws `KafkaClientError`, and `CancellationError`.
    func carryOut(
        _ request: MembershipRequest, of groupID: String, lane: ConnectionLane = .general, timeout: Duration
    ) async throws -> MembershipAnswer {
        switch request {
        case .lead(let leadership):
            let counts = try await self.partitionCounts(.names(leadership.topics))
            return .lead(leadership.shareOut(counts))
        case .topics(let question):
            return .topics(try await self.partitionCounts(question))
        default:
            break
        }
        guard let coordinator = try await self.findCoordinators(of: [groupID])[groupID]?.get() else {
            throw Self.missing(groupID, api: "FindCoordinator")
        }
        let connection = try await self.advertisedConnection(to: coordinator.address, lane: lane)
        do {
            return try await connection.carryOut(request, timeout: timeout)
        } catch is CancellationError {
            if request.mayTakeLong { await connection.close() }
            throw CancellationError()
        }
    }

    /// The numbers of partitions of topics. Topics that do not exist are left out.
    private func partitionCounts(_ question: TopicQuestion) async throws -> [String: Int] {
        let names: [String]?
        var internalNames: Set<String> = []
        switch question {
        case .all(let also): (names, internalNames) = (nil, also)
        case .names(let set) where set.isEmpty: return [:]
        case .names(let set): names = set.sorted()
        }
        var counts: [String: Int] = [:]
        for topic in try await self.refreshMetadata(topics: names).topics {
            guard let name = topic.name, names != nil || !topic.isInternal || internalNames.contains(name) else {
                continue
            }
            let errorCode = ErrorCode(rawValue: topic.errorCode)
            switch errorCode {
            case .none: counts[name] = topic.partitions.count
            case .unknownTopicOrPartition, .invalidTopicException: break
            default: throw KafkaClientError(errorCode, subject: name)
            }
        }
        return counts
    }
}

extension MembershipRequest {
    /// The coordinator answers when it has heard from all members.
    fileprivate var mayTakeLong: Bool {
        switch self {
        case .join, .sync: true
        default: false
        }
    }
}

extension KafkaConnection {
    /// Sends a request to the coordinator that this connection goes to.
    fileprivate func carryOut(_ request: MembershipRequest, timeout: Duration) async throws -> MembershipAnswer {
        switch request {
        case .consumerHeartbeat(let request):
            // In version 0 the broker makes up the member id, and a lost answer leaves a dead member behind.
            guard let served = self.versions[.consumerGroupHeartbeat], served.upperBound >= 1 else {
                throw KafkaClientError(
                    .unsupportedVersion,
                    "\(self.address) does not serve groups of the consumer protocol (KIP-848): it takes Kafka 4.0 or"
                        + " newer, or Martlet")
            }
            return .consumerHeartbeat(try await self.send(request, versions: 1...Int16.max, timeout: timeout))
        case .join(let request):
            // Static members came with these versions (KIP-345).
            let lowest: Int16 = request.groupInstanceID == nil ? 0 : 5
            return .join(try await self.send(request, versions: lowest...Int16.max, timeout: timeout))
        case .sync(let request):
            let lowest: Int16 = request.groupInstanceID == nil ? 0 : 3
            return .sync(try await self.send(request, versions: lowest...Int16.max, timeout: timeout))
        case .heartbeat(let request):
            let lowest: Int16 = request.groupInstanceID == nil ? 0 : 3
            return .heartbeat(try await self.send(request, versions: lowest...Int16.max, timeout: timeout))
        case .leave(let leave):
            var request = LeaveGroupRequest()
            request.groupID = leave.groupID
            // Versions 0 to 2 have one member, later ones a list.
            if try self.version(of: LeaveGroupRequest.self) >= 3 {
                var member = LeaveGroupRequest.MemberIdentity()
                member.memberID = leave.memberID
                member.reason = leave.reason
                request.members = [member]
                _ = try await self.send(request, versions: 3...Int16.max, timeout: timeout)
            } else {
                request.memberID = leave.memberID
                _ = try await self.send(request, versions: 0...2, timeout: timeout)
            }
            return .left
        case .lead, .topics:
            preconditionFailure("these do not go to the coordinator")
        }
    }
}
