// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

/// Whom a quota is for: a user, a client id, both together, or an IP address (KIP-546).
public struct QuotaEntity: Hashable, Sendable, CustomStringConvertible {
    /// One half of an entity, or all of it.
    public enum Part: Hashable, Sendable {
        /// The one of this name.
        case named(String)
        /// All that have no quota of their own.
        case standard
    }

    /// By type, which is `user`, `client-id` or `ip`.
    public var parts: [String: Part]

    /// Any parts.
    public init(_ parts: [String: Part]) { self.parts = parts }

    /// A user, whatever client ids it uses; nil for all users without a quota of their own.
    public static func user(_ name: String?) -> QuotaEntity {
        QuotaEntity(["user": name.map { .named($0) } ?? .standard])
    }

    /// A client id, whoever uses it; nil for all that have no quota of their own.
    public static func clientID(_ name: String?) -> QuotaEntity {
        QuotaEntity(["client-id": name.map { .named($0) } ?? .standard])
    }

    /// For messages: `user alice, client-id (default)`.
    public var description: String {
        self.parts.sorted { $0.key < $1.key }.map { type, part in
            switch part {
            case .named(let name): "\(type) \(name)"
            case .standard: "\(type) (default)"
            }
        }.joined(separator: ", ")
    }
}

/// Whose quotas are asked for.
public enum QuotaMatch: Hashable, Sendable {
    /// Exactly this part.
    case part(QuotaEntity.Part)
    /// Every part of the type.
    case any
}

extension KafkaCluster {
    /// Quotas by entity and by name, for example `producer_byte_rate` in bytes per second.
    ///
    /// One request to any broker: DescribeClientQuotas 0, Kafka 2.6.
    ///
    /// - Parameters:
    ///   - matches: by type (`user`, `client-id`, `ip`), what an entity has to have; none for all entities.
    ///   - isStrict: an entity must not have parts of other types.
    public func describeQuotas(
        _ matches: [String: QuotaMatch] = [:], isStrict: Bool = false
    ) async throws -> [QuotaEntity: [String: Double]] {
        var request = DescribeClientQuotasRequest()
        request.strict = isStrict
        request.components = matches.sorted { $0.key < $1.key }.map { type, match in
            var component = DescribeClientQuotasRequest.ComponentData()
            component.entityType = type
            switch match {
            case .part(.named(let name)): (component.matchType, component.match) = (0, name)
            case .part(.standard): (component.matchType, component.match) = (1, nil)
            case .any: (component.matchType, component.match) = (2, nil)
            }
            return component
        }
        let response = try await self.askAnyone(request, subject: "quotas") { ($0.errorCode, $0.errorMessage) }
        var quotas: [QuotaEntity: [String: Double]] = [:]
        for entry in response.entries ?? [] {
            var entity = QuotaEntity([:])
            for part in entry.entity {
                entity.parts[part.entityType] = part.entityName.map { .named($0) } ?? .standard
            }
            for value in entry.values { quotas[entity, default: [:]][value.key] = value.value }
        }
        return quotas
    }

    /// Sets quotas by entity and name, or takes them away where the value is nil. The changes of one entity succeed or
    /// fail together. With `validatesOnly` nothing is changed.
    ///
    /// One request to the controller: AlterClientQuotas 0, Kafka 2.6.
    public func alterQuotas(
        _ changes: [QuotaEntity: [String: Double?]], validatesOnly: Bool = false
    ) async throws -> [QuotaEntity: Result<Void, KafkaClientError>] {
        guard !changes.isEmpty else { return [:] }
        var request = AlterClientQuotasRequest()
        request.validateOnly = validatesOnly
        request.entries = changes.map { entity, changes in
            var entry = AlterClientQuotasRequest.EntryData()
            entry.entity = entity.parts.sorted { $0.key < $1.key }.map { type, part in
                var data = AlterClientQuotasRequest.EntityData()
                data.entityType = type
                if case .named(let name) = part { data.entityName = name } else { data.entityName = nil }
                return data
            }
            entry.ops = changes.sorted { $0.key < $1.key }.map { name, value in
                var change = AlterClientQuotasRequest.OpData()
                change.key = name
                change.value = value ?? 0
                change.remove = value == nil
                return change
            }
            return entry
        }
        let response = try await self.changeAtController(request) { $0.entries.map(\.errorCode) }
        var results: [QuotaEntity: Result<Void, KafkaClientError>] = [:]
        for entity in changes.keys {
            results[entity] = .failure(
                KafkaClientError(.malformedResponse, "the answer to AlterClientQuotas lacks \(entity)"))
        }
        for entry in response.entries {
            var entity = QuotaEntity([:])
            for part in entry.entity {
                entity.parts[part.entityType] = part.entityName.map { .named($0) } ?? .standard
            }
            results[entity] = Self.outcome((), entry.errorCode, subject: "\(entity)", message: entry.errorMessage)
        }
        return results
    }
}
