// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore

@testable import GroupCoordinator

/// What scenarios say of the classic protocol.
extension ScenarioWorld {
    static let classicVerbs: [String: Verb] = [
        // join a v=9 id=a.1 instance=i type=consumer protocols=range,sticky topics=foo,bar owned=0,1 meta=x session=10000 rebalance=30000
        "join": { world, arguments in world.join(arguments) },
        // form a b/i assign=a:foo/0: makes a stable group of these clients, b a static member, without a word of how
        "form": { world, arguments in world.form(arguments) },
        // sync a v=5 id=a.1 gen=1 assign=a.1:x,b.1:y type=consumer protocol=range
        "sync": { world, arguments in world.sync(arguments) },
        // huge a: the leader syncs with more bytes than a record may have
        "huge": { world, arguments in
            let client = arguments.words.first ?? ""
            var request = SyncGroupRequest()
            request.groupID = arguments["group"] ?? Self.defaultGroup
            (request.memberID, request.generationID, request.groupInstanceID) = world.identity(client, arguments)
            var assignment = SyncGroupRequest.SyncGroupRequestAssignment()
            assignment.memberID = request.memberID
            assignment.assignment = ByteBuffer(repeating: 0, count: ClassicGroup.recordBytesMax)
            request.assignments = [assignment]
            let call = world.call(client, "sync", version: 4)
            world.take(world.shard.syncGroup(request, call, world.environment))
        },
        // heartbeat a id=a.1 gen=1 instance=i
        "heartbeat": { world, arguments in
            let client = arguments.words.first ?? ""
            var request = HeartbeatRequest()
            request.groupID = arguments["group"] ?? Self.defaultGroup
            (request.memberID, request.generationID, request.groupInstanceID) = world.identity(client, arguments)
            let call = world.call(client, "heartbeat", version: arguments.number("v") ?? 4)
            world.take(world.shard.heartbeat(request, call, world.environment))
        },
        // leave a v=5 members=a.1,b.1 instances=i,j reason=text
        "leave": { world, arguments in world.leave(arguments) },
        // gone a: the connection of its latest request is closed
        "gone": { world, arguments in
            guard let token = world.latestToken(of: arguments.words.first ?? "") else { return }
            let group = arguments["group"] ?? Self.defaultGroup
            world.take(world.shard.abandon(token, group: group, world.environment))
        },
        // mayCommit a id=a.1 gen=1 instance=i: whether it may commit; the commit counts as a heartbeat
        "mayCommit": { world, arguments in
            let group = arguments["group"] ?? Self.defaultGroup
            var request = OffsetCommitRequest()
            (request.memberID, request.generationIDOrMemberEpoch, request.groupInstanceID) = world.identity(
                arguments.words.first ?? "", arguments)
            if let consumers = world.shard.consumerGroups[group] {
                return world.note(consumers.refusalOfCommit(request)?.name ?? "yes")
            }
            let refusal = world.shard.classicGroups[group]?.refusalOfCommit(request)
            let now = world.environment.now
            if refusal == nil { world.shard.classicGroups[group]?.noteCommit(from: request, now: now) }
            world.note(refusal?.name ?? "yes")
        },
        // describe, or describe group=h
        "describe": { world, arguments in
            let id = arguments["group"] ?? Self.defaultGroup
            for line in world.description(ofClassic: id, in: world.shard) { world.note(line) }
        },
        // subscribes foo: whether a member reads that topic
        "subscribes": { world, arguments in
            let group = world.shard.classicGroups[arguments["group"] ?? Self.defaultGroup]
            world.note(group?.subscribes(to: arguments.words.first ?? "") == true ? "yes" : "no")
        },
        // why: what began the last rebalance
        "why": { world, arguments in
            let group = world.shard.classicGroups[arguments["group"] ?? Self.defaultGroup]
            var reason = group?.rebalanceReason ?? "no such group"
            for (id, name) in world.names { reason = reason.replacing(id, with: name) }
            world.note(reason)
        },
    ]

    /// Member id, generation and instance of a request: what the client remembers, or what the line says.
    func identity(_ client: String, _ arguments: ScenarioArguments) -> (String, Int32, String?) {
        let known = self.clients[client] ?? ScenarioClient()
        let id = arguments["id"].map { self.id(named: $0) } ?? known.id
        let instance = arguments["instance"] ?? known.instance
        return (id, arguments.number("gen") ?? known.generation, instance == "-" ? nil : instance)
    }

    private mutating func join(_ arguments: ScenarioArguments) {
        let name = arguments.words.first ?? ""
        var client = self.clients[name] ?? ScenarioClient()
        client.id = arguments["id"].map { self.id(named: $0) } ?? client.id
        client.instance = arguments["instance"] ?? client.instance
        client.type = arguments["type"] ?? client.type
        client.protocols = arguments.list("protocols") ?? client.protocols
        client.topics = arguments.list("topics") ?? client.topics
        client.metadata = arguments["meta"] ?? client.metadata
        client.sessionMs = arguments.number("session") ?? client.sessionMs
        client.rebalanceMs = arguments.number("rebalance") ?? client.rebalanceMs
        client.joinVersion = arguments.number("v") ?? client.joinVersion
        self.clients[name] = client

        var request = JoinGroupRequest()
        request.groupID = arguments["group"] ?? Self.defaultGroup
        request.memberID = client.id
        request.groupInstanceID = client.instance
        request.protocolType = client.type
        request.sessionTimeoutMs = client.sessionMs
        request.rebalanceTimeoutMs = client.rebalanceMs
        request.reason = arguments["reason"]
        request.protocols = client.protocols.map { protocolName in
            var spoken = JoinGroupRequest.JoinGroupRequestProtocol()
            spoken.name = protocolName
            let owned = arguments.list("owned")?.compactMap { Int32($0) } ?? []
            spoken.metadata =
                client.metadata.map { ByteBuffer(string: $0) }
                ?? Self.subscription(to: client.topics, owned: owned, version: arguments.number("subscription") ?? 1)
            return spoken
        }
        let call = self.call(name, "join", version: client.joinVersion)
        self.expectID("\(client.instance ?? name)-\(call.freshID)", of: name)
        self.take(self.shard.joinGroup(request, call, self.environment))
    }

    /// Everybody joins, those who are there join again, and the leader gives each member what is called like its client.
    private mutating func form(_ arguments: ScenarioArguments) {
        let before = self.takeTrace()
        let options = arguments.keys.filter { $0 != "assign" }.map { " \($0)=\(arguments[$0] ?? "")" }.joined()
        var names: [String] = []
        for word in arguments.words {
            let parts = word.split(separator: "/").map(String.init)
            self.run("join \(parts[0])\(options)" + (parts.count > 1 ? " instance=\(parts[1])" : ""))
            if parts.count == 1 { self.run("join \(parts[0])") }
            for name in names { self.run("join \(name)") }
            names.append(parts[0])
        }
        let given = (arguments.list("assign") ?? []).map { $0.split(separator: ":").map(String.init) }
        let shares = names.compactMap { name in
            let share = given.first { $0[0] == name }?[1] ?? name
            return self.clients[name].map { "\($0.id):\(share)" }
        }
        for name in names.reversed() { self.run("sync \(name) assign=\(shares.joined(separator: ","))") }
        _ = self.takeTrace()
        for line in before { self.note(line) }
        for line in self.description(ofClassic: arguments["group"] ?? Self.defaultGroup, in: self.shard).prefix(1) {
            self.note(line)
        }
    }

    /// The bytes that consumers send along; `owned` are partitions of the first topic.
    static func subscription(to topics: [String], owned: [Int32], version: Int16) -> ByteBuffer {
        var subscription = ConsumerProtocolSubscription()
        subscription.topics = topics
        if !owned.isEmpty {
            var partitions = ConsumerProtocolSubscription.TopicPartition()
            partitions.topic = topics.first ?? ""
            partitions.partitions = owned
            subscription.ownedPartitions = [partitions]
        }
        var writer = WireWriter()
        writer.writeInt16(version)
        try? subscription.encode(into: &writer, version: version)
        return writer.buffer
    }

    private mutating func sync(_ arguments: ScenarioArguments) {
        let name = arguments.words.first ?? ""
        var request = SyncGroupRequest()
        request.groupID = arguments["group"] ?? Self.defaultGroup
        (request.memberID, request.generationID, request.groupInstanceID) = self.identity(name, arguments)
        let version: Int16 = arguments.number("v") ?? 5
        if version >= 5 {
            request.protocolType = arguments["type"] ?? self.clients[name]?.type
            request.protocolName = arguments["protocol"] ?? self.clients[name]?.protocols.first
        }
        request.assignments = (arguments.list("assign") ?? []).map { pair in
            let parts = pair.split(separator: ":", maxSplits: 1).map(String.init)
            var assignment = SyncGroupRequest.SyncGroupRequestAssignment()
            assignment.memberID = self.id(named: parts[0])
            assignment.assignment = Self.assignment(parts.count > 1 ? parts[1] : "")
            return assignment
        }
        let call = self.call(name, "sync", version: version)
        self.take(self.shard.syncGroup(request, call, self.environment))
    }

    private mutating func leave(_ arguments: ScenarioArguments) {
        let name = arguments.words.first ?? ""
        let version: Int16 = arguments.number("v") ?? 5
        var request = LeaveGroupRequest()
        request.groupID = arguments["group"] ?? Self.defaultGroup
        let instances = arguments.list("instances")
        let own = self.identity(name, arguments)
        if version < 3 {
            request.memberID = own.0
        } else {
            let ids = arguments.list("members")?.map { self.id(named: $0) }
            let count = max(ids?.count ?? 0, instances?.count ?? 0)
            for index in 0..<max(1, count) {
                var identity = LeaveGroupRequest.MemberIdentity()
                identity.memberID = ids.map { index < $0.count ? $0[index] : "" } ?? (instances == nil ? own.0 : "")
                identity.groupInstanceID = instances.flatMap { index < $0.count && $0[index] != "-" ? $0[index] : nil }
                identity.reason = arguments["reason"]
                request.members.append(identity)
            }
        }
        let call = self.call(name, "leave", version: version)
        self.take(self.shard.leaveGroup(request, call, self.environment))
    }

    // MARK: Text

    mutating func text(of answer: GroupAnswer, to client: String) -> String {
        switch answer {
        case .join(let response): return self.text(of: response, to: client)
        case .sync(let response):
            let error = ErrorCode(rawValue: response.errorCode)
            self.forgetIdentity(of: client, after: error)
            if error != .none { return error.name }
            return "ok assignment=\(Self.text(of: response.assignment)) protocol=\(response.protocolName ?? "-")"
        case .heartbeat(let response):
            let error = ErrorCode(rawValue: response.errorCode)
            self.forgetIdentity(of: client, after: error)
            return error == .none ? "ok" : error.name
        case .leave(let response):
            let members = response.members.map { member in
                let instance = member.groupInstanceID.map { "(\($0))" } ?? ""
                return " \(self.name(of: member.memberID))\(instance)=\(ErrorCode(rawValue: member.errorCode).name)"
            }
            return ErrorCode(rawValue: response.errorCode).name + members.joined()
        case .consumerHeartbeat(let response): return self.text(of: response, to: client)
        default: return "\(answer)"
        }
    }

    private mutating func text(of response: JoinGroupResponse, to client: String) -> String {
        let error = ErrorCode(rawValue: response.errorCode)
        self.forgetIdentity(of: client, after: error)
        if error == .none || error == .memberIDRequired {
            self.clients[client]?.id = response.memberID
            self.clients[client]?.generation = response.generationID
        }
        if error != .none { return "\(error.name) id=\(self.name(of: response.memberID))" }
        var text = "ok id=\(self.name(of: response.memberID)) generation=\(response.generationID)"
        text += " protocol=\(response.protocolName ?? "-") leader=\(self.name(of: response.leader))"
        if response.skipAssignment { text += " skipAssignment" }
        let members = response.members.map { "\(self.name(of: $0.memberID))(\(Self.topics(of: $0.metadata)))" }
        return members.isEmpty ? text : "\(text) members=\(members.joined(separator: ","))"
    }

    /// As clients do: a member that the group does not know begins anew.
    private mutating func forgetIdentity(of client: String, after error: ErrorCode) {
        if error == .unknownMemberID {
            self.clients[client]?.id = ""
            self.clients[client]?.generation = -1
        }
    }

    mutating func text(of record: CoordinatorRecord) -> String {
        guard case .classicGroup(let key, let value) = record else { return self.text(ofConsumer: record) }
        guard let value else { return "classic \(key.group) deleted" }
        var text = "classic \(key.group) generation=\(value.generation) type=\(value.protocolType)"
        text += " protocol=\(value.protocol ?? "-") leader=\(self.name(of: value.leader ?? ""))"
        text += " since=\(value.currentStateTimestamp - Self.wallBaseMs)"
        for member in value.members {
            let instance = member.groupInstanceID.map { "/\($0)" } ?? ""
            text += " \(self.name(of: member.memberID))\(instance)(\(Self.topics(of: member.subscription)))"
            text += "=\(Self.text(of: member.assignment))"
        }
        return text
    }

    static func text(of bytes: ByteBuffer) -> String {
        if bytes.readableBytes == 0 { return "-" }
        return Self.text(ofAssignment: bytes) ?? String(decoding: bytes.readableBytesView, as: UTF8.self)
    }

    static func topics(of metadata: ByteBuffer) -> String {
        ConsumerProtocol.topics(of: metadata).map { $0.sorted().joined(separator: " ") } ?? Self.text(of: metadata)
    }

    mutating func description(ofClassic id: String, in shard: GroupShard) -> [String] {
        let group = shard.describeClassic(id)
        var lines = ["\(group.groupState) type=\(group.protocolType) protocol=\(group.protocolData)"]
        if let kept = shard.classicGroups[id], kept.isWritten || kept.generation > 0 {
            lines[0] += " generation=\(kept.generation) leader=\(self.name(of: kept.leader ?? ""))"
            if let since = kept.emptySinceMs { lines[0] += " emptySince=\(since - Self.wallBaseMs)" }
        }
        for member in group.members {
            let instance = member.groupInstanceID.map { "/\($0)" } ?? ""
            lines.append(
                "\(self.name(of: member.memberID))\(instance) of \(member.clientID)@\(member.clientHost)"
                    + " reads (\(Self.topics(of: member.memberMetadata))) has \(Self.text(of: member.memberAssignment))"
            )
        }
        return lines
    }

    func classicDifferences(from replayed: GroupShard) -> [String] {
        var copy = self
        var failures: [String] = []
        for id in Set(self.shard.classicGroups.keys).union(replayed.classicGroups.keys).sorted() {
            // A rebalance under way is in no record.
            if let group = self.shard.classicGroups[id], group.state != .stable, group.state != .empty { continue }
            let own = copy.description(ofClassic: id, in: self.shard)
            let other = copy.description(ofClassic: id, in: replayed)
            let isUnwritten = self.shard.classicGroups[id]?.isWritten == false && replayed.classicGroups[id] == nil
            if own != other, !isUnwritten { failures.append("group \(id) is \(own), and after replay \(other)") }
        }
        return failures
    }
}
