// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

extension DispatchTable {
    /// Everything that the broker answers, in the order of the API keys.
    static let all = DispatchTable([
        ProduceHandler.route,
        FetchHandler.route,
        .serving(ListOffsetsHandler.self),
        .serving(MetadataHandler.self, trailingBytesMax: MetadataHandler.trailingBytesMax),
        .serving(OffsetCommitHandler.self),
        .serving(OffsetFetchHandler.self),
        .serving(FindCoordinatorHandler.self),
        .serving(JoinGroupHandler.self),
        .serving(HeartbeatHandler.self),
        .serving(LeaveGroupHandler.self),
        .serving(SyncGroupHandler.self),
        .serving(DescribeGroupsHandler.self),
        .serving(ListGroupsHandler.self),
        .serving(ApiVersionsHandler.self),
        .serving(CreateTopicsHandler.self),
        .serving(DeleteTopicsHandler.self),
        .serving(DeleteRecordsHandler.self),
        .serving(InitProducerIDHandler.self),
        .serving(OffsetForLeaderEpochHandler.self),
        .serving(DescribeConfigsHandler.self),
        .serving(AlterConfigsHandler.self),
        .serving(DescribeLogDirsHandler.self),
        .serving(CreatePartitionsHandler.self),
        .serving(DeleteGroupsHandler.self),
        .serving(IncrementalAlterConfigsHandler.self),
        .serving(OffsetDeleteHandler.self),
        .serving(DescribeClusterHandler.self),
        .serving(DescribeProducersHandler.self),
        .serving(ConsumerGroupHeartbeatHandler.self),
        .serving(ConsumerGroupDescribeHandler.self),
        .serving(ListConfigResourcesHandler.self),
        .serving(DescribeTopicPartitionsHandler.self),
    ])
}
