// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

extension DispatchTable {
    /// Everything that the broker answers, in the order of the API keys.
    static let all = DispatchTable([
        ProduceHandler.route,
        FetchHandler.route,
        .serving(ListOffsetsHandler.self),
        .serving(MetadataHandler.self, trailingBytesMax: MetadataHandler.trailingBytesMax),
        .serving(FindCoordinatorHandler.self),
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
        .serving(IncrementalAlterConfigsHandler.self),
        .serving(DescribeClusterHandler.self),
        .serving(DescribeProducersHandler.self),
        .serving(ListConfigResourcesHandler.self),
        .serving(DescribeTopicPartitionsHandler.self),
    ])
}
