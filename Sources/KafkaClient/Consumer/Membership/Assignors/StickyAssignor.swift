// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
public import NIOCore

import KafkaWire

/// `sticky` (KIP-54): as even as subscriptions allow, and then as few partitions as possible change their owner. Members
/// give up everything while the group shares out, and most get it back.
///
/// It understands what Java's and librdkafka's assignor of this name tell the leader, and they what it tells. Which of
/// several equally good assignments a leader chooses, they do not agree on either. Racks are not looked at.
public struct StickyAssignor: ClassicAssignor {
    /// An assignor without state.
    public init() {}

    /// `sticky`
    public var name: String { "sticky" }

    /// What the member was given last, in Java's version 1.
    public func userData(of member: ClassicMemberHistory) -> ByteBuffer? {
        // What came in an assignment fits, too.
        try? StickyUserData(partitions: member.lastAssignment, generation: member.generation ?? -1).encoded()
    }

    /// O(n log n) in members, partitions and topics of members; more when subscriptions differ in a way that takes long
    /// chains of moves.
    public func assign(_ problem: ClassicAssignmentProblem) -> [String: [TopicPartition]] {
        // Bytes that are no user data mean that nothing is known, as in Java.
        let claims = problem.members.map { member -> StickyBalancer.Claim in
            guard let data = member.userData.flatMap({ try? StickyUserData($0) }) else { return .init() }
            return .init(partitions: data.partitions, generation: data.generation)
        }
        return StickyBalancer.balance(problem, claims)
    }
}

/// `cooperative-sticky` (KIP-429): as ``StickyAssignor``, but members keep what they have while the group shares out.
///
/// A partition that is to move goes in two steps: its owner gives it up and joins again, and only then it is given away.
public struct CooperativeStickyAssignor: ClassicAssignor {
    /// An assignor without state.
    public init() {}

    /// `cooperative-sticky`
    public var name: String { "cooperative-sticky" }

    /// True.
    public var isCooperative: Bool { true }

    /// The generation, for leaders that read it here: in subscriptions it has a place since version 2.
    public func userData(of member: ClassicMemberHistory) -> ByteBuffer? {
        var bytes = ByteBuffer()
        bytes.writeInteger(member.generation ?? -1)
        return bytes
    }

    /// O(n log n), see ``StickyAssignor/assign(_:)``.
    public func assign(_ problem: ClassicAssignmentProblem) -> [String: [TopicPartition]] {
        let claims = problem.members.map { member in
            StickyBalancer.Claim(partitions: member.owned, generation: Self.generation(of: member))
        }
        return StickyBalancer.balance(problem, claims)
    }

    private static func generation(of member: ClassicGroupMember) -> Int32 {
        if let generation = member.generation { return generation }
        return member.userData?.getInteger(at: member.userData?.readerIndex ?? 0, as: Int32.self) ?? -1
    }
}
