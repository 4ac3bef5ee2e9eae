// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import GroupCoordinator
import KafkaConfig
import KafkaWire
import NIOCore

extension Broker {
    /// Asks the shard of a group. To be called on the connection's event loop.
    ///
    /// - Parameter mayPark: the answer may take as long as a rebalance does; it comes early when the connection stops
    ///   waiting.
    func ask(
        _ group: String,
        _ context: RequestContext,
        mayPark: Bool = false,
        _ command: (inout GroupShard, GroupCall, GroupEnvironment) -> GroupEffects
    ) -> Answer<GroupShardHost.Reply> {
        guard let host = self.groups.host(of: group) else {
            return .now(.failure(CoordinatorRefusal(.coordinatorNotAvailable)))
        }
        let outcome = host.ask(context, command)
        context.connection.pendingAppends.value.add(host)
        switch outcome {
        case .now(let reply): return .now(reply)
        case .later(let future, let token):
            if mayPark {
                let connection = context.connection
                let id = connection.onStopWaiting { host.abandon(token, group: group) }
                future.assumeIsolated().whenComplete { _ in connection.removeStopHandler(id) }
            }
            return .later(future)
        }
    }

    /// Asks the shard of a group and makes an answer of what it says.
    ///
    /// - Parameters:
    ///   - unwrap: the answer of this API; nil for that of another, which is a mistake.
    ///   - refuse: the answer when there is nobody to ask, or the question could not be answered.
    func ask<Response: Sendable>(
        _ group: String,
        _ context: RequestContext,
        mayPark: Bool = false,
        unwrap: @escaping @Sendable (GroupAnswer) -> Response?,
        refuse: @escaping @Sendable (ErrorCode) -> Response,
        _ command: (inout GroupShard, GroupCall, GroupEnvironment) -> GroupEffects
    ) -> Answer<Response> {
        self.ask(group, context, mayPark: mayPark, command).map { reply in
            switch reply {
            case .success(let answer): unwrap(answer) ?? refuse(.unknownServerError)
            case .failure(let refusal): refuse(refusal.errorCode)
            }
        }
    }

    /// Looks at the shard of a group.
    func look<Value>(
        at group: String, _ look: (GroupShard, GroupEnvironment) -> Value
    ) -> Result<Value, CoordinatorRefusal> {
        guard let host = self.groups.host(of: group) else {
            return .failure(CoordinatorRefusal(.coordinatorNotAvailable))
        }
        return host.read(look)
    }

    /// Makes `__consumer_offsets` if there is none, and serves its groups. On the admin thread.
    ///
    /// - Returns: why there is no place for groups; nil when there is one.
    func openGroups() -> MetadataError? {
        if self.groups.isOpen { return nil }
        if self.topics.topic(named: TopicName.consumerOffsets) == nil {
            let config = self.config
            let topic = NewTopic(
                name: TopicName.consumerOffsets,
                placement: .spread(
                    partitions: Int32(clamping: config.offsets.topicNumPartitions),
                    replicationFactor: 1
                ),
                configs: [
                    "cleanup.policy": "compact",
                    "compression.type": "producer",
                    "segment.bytes": String(config.offsets.topicSegmentBytes),
                ]
            )
            if case .failure(let error) = self.createTopics([topic], validateOnly: false)[0],
                error.code != .topicAlreadyExists
            {
                return error
            }
        }
        self.serveGroups()
        return self.groups.isOpen
            ? nil : MetadataError(.storage, "The logs of \(TopicName.consumerOffsets) cannot be opened")
    }

    /// Serves the groups of `__consumer_offsets` if it is served itself.
    func serveGroups() {
        if let topic = self.topics.topic(named: TopicName.consumerOffsets) { self.groups.open(topic) }
    }
}

extension Answer {
    /// The answer made into another one.
    func map<Other>(_ transform: @escaping @Sendable (Response) -> Other) -> Answer<Other> where Other: Sendable {
        switch self {
        case .now(let response): .now(transform(response))
        case .later(let future): .later(future.map(transform))
        }
    }
}

extension Answer {
    /// All answers in their order, once the last is there.
    static func all(_ answers: [Answer<Response>], on eventLoop: any EventLoop) -> Answer<[Response]> {
        var now: [Response] = []
        for case .now(let response) in answers { now.append(response) }
        if now.count == answers.count { return .now(now) }
        let futures = answers.map { answer in
            switch answer {
            case .now(let response): eventLoop.makeSucceededFuture(response)
            case .later(let future): future
            }
        }
        return .later(EventLoopFuture.whenAllSucceed(futures, on: eventLoop))
    }
}
