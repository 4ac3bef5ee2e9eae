// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

/// What the cluster can do beyond single requests, each with a level (KIP-584): `metadata.version`, `group.version` and
/// so on.
public struct ClusterFeatures: Sendable {
    /// The levels that the broker that was asked knows, by name.
    public var supported: [String: ClosedRange<Int16>]
    /// The level that holds for the whole cluster, by name. What is missing is off.
    public var finalized: [String: Int16]
    /// Counts the changes of ``finalized``; nil when the broker does not know it.
    public var epoch: Int64?
}

/// How a feature may be changed.
public enum FeatureChange: Int8, Hashable, Sendable {
    /// To a higher level only.
    case upgrade = 1
    /// To a lower level, when nothing gets lost by it.
    case safeDowngrade = 2
    /// To a lower level, whatever gets lost.
    case unsafeDowngrade = 3
}

extension KafkaCluster {
    /// The features of the cluster, as one broker knows them.
    ///
    /// One request to any broker: ApiVersions 3, Kafka 2.4; the features are filled since 2.7.
    public func describeFeatures() async throws -> ClusterFeatures {
        var request = ApiVersionsRequest()
        request.clientSoftwareName = VersionNegotiation.softwareName
        request.clientSoftwareVersion = VersionNegotiation.softwareVersion
        let response = try await self.retrying { [request] in
            try await self.anyConnection().send(request, versions: 3...Int16.max)
        }
        try Self.check(response.errorCode, subject: "ApiVersions")
        var features = ClusterFeatures(
            supported: [:], finalized: [:],
            epoch: response.finalizedFeaturesEpoch < 0 ? nil : response.finalizedFeaturesEpoch)
        for feature in response.supportedFeatures where feature.minVersion <= feature.maxVersion {
            features.supported[feature.name] = feature.minVersion...feature.maxVersion
        }
        for feature in response.finalizedFeatures { features.finalized[feature.name] = feature.maxVersionLevel }
        return features
    }

    /// Changes the level of features for the whole cluster; 0 turns one off. Brokers from 4.0 on change all or none, and
    /// what they refuse is thrown; older ones answer for each feature. With `validatesOnly` nothing is changed.
    ///
    /// One request to the controller: UpdateFeatures 1, Kafka 3.3.
    public func updateFeatures(
        _ levels: [String: Int16], _ change: FeatureChange = .upgrade, validatesOnly: Bool = false
    ) async throws -> [String: Result<Void, KafkaClientError>] {
        guard !levels.isEmpty else { return [:] }
        var request = UpdateFeaturesRequest()
        request.timeoutMs = Self.changeTimeoutMs
        request.validateOnly = validatesOnly
        request.featureUpdates = levels.sorted { $0.key < $1.key }.map { name, level in
            var update = UpdateFeaturesRequest.FeatureUpdateKey()
            update.feature = name
            update.maxVersionLevel = level
            update.upgradeType = change.rawValue
            return update
        }
        let response = try await self.changeAtController(request, versions: 1...Int16.max) { [$0.errorCode] }
        try Self.check(response.errorCode, subject: "the features", message: response.errorMessage)
        var results: [String: Result<Void, KafkaClientError>] = levels.mapValues { _ in .success(()) }
        for result in response.results {
            results[result.feature] = Self.outcome(
                (), result.errorCode, subject: "feature \(result.feature)", message: result.errorMessage)
        }
        return results
    }
}
