// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import NIOCore

/// One member of a classic group: what it said when it joined, and what it was given.
struct ClassicMember: Sendable {
    let id: String
    /// `group.instance.id` of a static member (KIP-345).
    let instanceID: String?
    var clientID: String
    var clientHost: String
    var rebalanceTimeoutMs: Int32
    var sessionTimeoutMs: Int32
    /// What it can speak, best first, each name once. After a restart only what the group speaks: no more is kept.
    var protocols: [ClassicProtocol]
    /// What it has in the last generation that was shared out; empty before that.
    var assignment = ByteBuffer()

    // Not in records:
    /// When it is removed if nothing is heard of it, in milliseconds of the monotonic clock.
    var sessionEndsAt: Int64 = .max
    /// Its first join has not been answered yet: it may not know its id, and nobody can tell whether it is still there.
    var isNew = false
    /// The epoch in which it left the consumer group that this group was: until it joins, it is as good as the
    /// generation, so that nobody loses what it works on because the group changed its protocol.
    var epochBefore: Int32?
    /// It was told of a generation and has not asked for its assignment.
    var owesSync = false

    init(id: String, request: JoinGroupRequest, call: GroupCall) {
        self.id = id
        self.instanceID = request.groupInstanceID
        self.clientID = call.clientID
        self.clientHost = call.clientHost
        self.rebalanceTimeoutMs = ClassicVersion.rebalanceTimeoutMs(of: request, call)
        self.sessionTimeoutMs = request.sessionTimeoutMs
        self.protocols = ClassicProtocol.list(request.protocols)
    }

    /// A member that has been in a consumer group so far, with what it has there.
    init(
        id: String, details: ConsumerMember.Details, classic: ConsumerGroupMemberMetadataValue.ClassicMemberMetadata,
        assignment: ByteBuffer
    ) {
        self.id = id
        self.instanceID = details.instanceID
        self.clientID = details.clientID
        self.clientHost = details.clientHost
        self.rebalanceTimeoutMs = details.rebalanceTimeoutMs
        self.sessionTimeoutMs = classic.sessionTimeoutMs
        self.protocols = classic.supportedProtocols.map { ClassicProtocol(name: $0.name, metadata: $0.metadata) }
        self.assignment = assignment
    }

    /// A member as a record has it, of a group that speaks `protocolName`.
    init(_ record: GroupMetadataValue.MemberMetadata, speaking protocolName: String) {
        self.id = record.memberID
        self.instanceID = record.groupInstanceID
        self.clientID = record.clientID
        self.clientHost = record.clientHost
        self.rebalanceTimeoutMs = record.rebalanceTimeout
        self.sessionTimeoutMs = record.sessionTimeout
        self.protocols = [ClassicProtocol(name: protocolName, metadata: record.subscription.detached)]
        self.assignment = record.assignment.detached
    }

    /// What it sent along with that protocol, empty if it does not speak it.
    func metadata(of protocolName: String?) -> ByteBuffer {
        self.protocols.first { $0.name == protocolName }?.metadata ?? ByteBuffer()
    }

    /// Whether a request names the same protocols in the same order with the same bytes.
    func speaks(exactly protocols: [JoinGroupRequest.JoinGroupRequestProtocol]) -> Bool {
        self.protocols.count == protocols.count
            && zip(self.protocols, protocols).allSatisfy { $0.name == $1.name && $0.metadata == $1.metadata }
    }
}

/// A way of sharing out that a member can speak, such as `range`, and what it sends along: its subscription.
struct ClassicProtocol: Sendable {
    let name: String
    /// Bytes that only members understand, except those of the protocol type `consumer`.
    let metadata: ByteBuffer

    /// What a request names, without repetitions. The bytes are copied: they would keep the whole request in memory.
    static func list(_ protocols: [JoinGroupRequest.JoinGroupRequestProtocol]) -> [ClassicProtocol] {
        var names: Set<String> = []
        return protocols.filter { names.insert($0.name).inserted }
            .map { ClassicProtocol(name: $0.name, metadata: $0.metadata.detached) }
    }
}

/// The versions of the classic requests in which a field begins to mean something.
enum ClassicVersion {
    /// JoinGroup: a rebalance time-out of its own (KIP-62); before, the session time-out is both.
    private static let joinWithRebalanceTimeout: Int16 = 1
    /// JoinGroup: a member comes back with the id that it was given before it is in the group (KIP-394).
    private static let joinWithKnownID: Int16 = 4
    /// JoinGroup: the name of the protocol may be null (KIP-559).
    private static let joinWithNullableProtocol: Int16 = 7
    /// JoinGroup: the leader may be told that there is nothing to share out (KIP-814).
    private static let joinWithSkipAssignment: Int16 = 9
    /// LeaveGroup: several members at once (KIP-345).
    private static let leaveWithMembers: Int16 = 3
    /// SyncGroup: the member says which protocol it believes in (KIP-559).
    private static let syncWithProtocol: Int16 = 5

    static func rebalanceTimeoutMs(of request: JoinGroupRequest, _ call: GroupCall) -> Int32 {
        call.apiVersion >= self.joinWithRebalanceTimeout ? request.rebalanceTimeoutMs : request.sessionTimeoutMs
    }

    static func joinNeedsKnownID(_ version: Int16) -> Bool { version >= self.joinWithKnownID }

    static func joinCanSkipAssignment(_ version: Int16) -> Bool { version >= self.joinWithSkipAssignment }

    /// "No protocol" as that version of JoinGroup writes it.
    static func noProtocolName(_ version: Int16) -> String? { version >= self.joinWithNullableProtocol ? nil : "" }

    static func leaveIsBatch(_ version: Int16) -> Bool { version >= self.leaveWithMembers }

    static func syncMustNameProtocol(_ version: Int16) -> Bool { version >= self.syncWithProtocol }
}

extension ByteBuffer {
    /// A copy of the readable bytes that keeps nothing else in memory.
    var detached: ByteBuffer { self.readableBytes == 0 ? ByteBuffer() : ByteBuffer(bytes: self.readableBytesView) }
}
