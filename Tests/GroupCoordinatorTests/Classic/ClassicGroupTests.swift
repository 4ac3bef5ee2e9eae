// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import SimulatedIO
import NIOCore
import Testing

@testable import GroupCoordinator

@Suite struct ClassicGroupTests {
    private static let environment = GroupEnvironment(
        now: GroupTime(monotonicMs: 1_000, wallMs: 1_700_000_000_000), topics: ScenarioTopics(),
        settings: GroupSettings())

    private static func call(_ number: UInt64, client: String = "c", version: Int16 = 9) -> GroupCall {
        GroupCall(
            token: RequestToken(number), apiVersion: version, clientID: client, clientHost: "/127.0.0.1",
            freshID: UUID128(high: 0x4000, low: number))
    }

    private static func joinRequest(_ metadata: ByteBuffer = ByteBuffer(string: "m")) -> JoinGroupRequest {
        var request = JoinGroupRequest()
        request.groupID = "g"
        request.sessionTimeoutMs = 10_000
        request.rebalanceTimeoutMs = 30_000
        request.protocolType = "consumer"
        var spoken = JoinGroupRequest.JoinGroupRequestProtocol()
        spoken.name = "range"
        spoken.metadata = metadata
        request.protocols = [spoken]
        return request
    }

    private static func joined(_ effects: GroupEffects) throws -> JoinGroupResponse {
        guard case .join(let response)? = effects.answers.first?.answer else {
            throw Unexpected(what: "\(effects.answers)")
        }
        return response
    }

    private struct Unexpected: Error { let what: String }

    @Test func idsThatAreNeverUsedTakeBoundedMemory() throws {
        var shard = GroupShard()
        for number in 0..<UInt64(ClassicGroup.pendingMax) {
            let response = try Self.joined(shard.joinGroup(Self.joinRequest(), Self.call(number), Self.environment))
            #expect(response.errorCode == ErrorCode.memberIDRequired.rawValue)
        }
        let response = try Self.joined(shard.joinGroup(Self.joinRequest(), Self.call(1_000_000), Self.environment))
        #expect(response.errorCode == ErrorCode.coordinatorNotAvailable.rawValue)
        #expect(shard.classicGroups["g"]?.pending.count == ClassicGroup.pendingMax)

        var later = Self.environment
        later.now.monotonicMs += 10_000
        _ = shard.expire(later)
        #expect(shard.classicGroups.isEmpty)
        #expect(shard.nextWakeUp == nil)
    }

    @Test func aLongClientIDStillMakesAnIDThatFitsARecord() throws {
        var shard = GroupShard()
        let long = String(repeating: "é", count: 20_000)
        var request = Self.joinRequest()
        request.memberID = try Self.joined(
            shard.joinGroup(request, Self.call(1, client: long), Self.environment)
        ).memberID
        #expect(request.memberID.utf8.count <= 4 * ClassicGroup.memberIDPrefixMax + 23)
        let response = try Self.joined(shard.joinGroup(request, Self.call(2), Self.environment))
        #expect(response.errorCode == 0)
    }

    @Test func whatMembersSendKeepsNothingElseOfTheirRequestsInMemory() throws {
        var shard = GroupShard()
        var frame = ByteBuffer(repeating: 7, count: 1_000_000)
        let slice = frame.readSlice(length: 10)
        let metadata = try #require(slice)
        _ = shard.joinGroup(Self.joinRequest(metadata), Self.call(1, version: 3), Self.environment)
        let member = shard.classicGroups["g"]?.members.values.first
        let kept = try #require(member?.protocols.first?.metadata)
        #expect(kept == metadata)
        #expect(kept.storageCapacity < 1_000)
    }

    @Test func aRecordThatNoBrokerWroteIsLivedWith() {
        var value = GroupMetadataValue()
        value.generation = .max
        value.protocol = nil
        value.leader = "nobody"
        value.protocolType = "consumer"
        value.currentStateTimestamp = -7
        value.members = ["a", "a", "b"].map { id in
            var member = GroupMetadataValue.MemberMetadata()
            member.memberID = id
            member.groupInstanceID = "i"
            member.sessionTimeout = -1
            member.rebalanceTimeout = .min
            return member
        }
        var key = GroupMetadataKey()
        key.group = "g"
        var shard = GroupShard()
        shard.replay(.classicGroup(key, value))
        _ = shard.finishLoading(Self.environment)
        #expect(shard.classicGroups["g"]?.members.count == 2)

        var now = Self.environment
        for _ in 0..<100 {
            now.now.monotonicMs += 1
            _ = shard.expire(now)
            if let next = shard.nextWakeUp { #expect(next > now.now.monotonicMs) }
        }
        #expect(shard.classicGroups["g"]?.isEmpty == true)
        #expect(shard.classicGroups["g"]?.generation == 1)
    }

    @Test func aTombstoneEndsAGroup() {
        var shard = GroupShard()
        var key = GroupMetadataKey()
        key.group = "g"
        shard.replay(.classicGroup(key, GroupMetadataValue()))
        #expect(shard.describeClassic("g").groupState == "Empty")
        for record in shard.classicGroups["g"]?.tombstones() ?? [] { shard.replay(record) }
        #expect(shard.describeClassic("g").groupState == "Dead")
    }
}
