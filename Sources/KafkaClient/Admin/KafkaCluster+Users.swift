// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// How a user may log in by SCRAM (KIP-554). What a broker keeps of the password it does not tell.
public struct ScramCredential: Hashable, Sendable {
    /// The variant of SCRAM.
    public var mechanism: ScramMechanism
    /// How often the password is hashed at a login.
    public var iterations: Int
}

/// A change of one user's way to log in by SCRAM.
public struct ScramAlteration: Sendable {
    enum Change: Sendable {
        case delete
        case set(salt: [UInt8], saltedPassword: [UInt8], iterations: Int)
    }

    /// The number of iterations unless said otherwise: twice what brokers ask for at least. A client computes as many
    /// hashes at each login.
    public static let iterationsDefault = 8192

    let user: String
    let mechanism: ScramMechanism
    let change: Change

    /// The user cannot log in this way any more.
    public static func delete(user: String, _ mechanism: ScramMechanism) -> ScramAlteration {
        ScramAlteration(user: user, mechanism: mechanism, change: .delete)
    }

    #if SCRAM
    /// How many bytes of salt there are unless said otherwise: as many as would be random in a password nobody guesses.
    static let saltBytes = 24

    /// The user logs in with this password from now on.
    ///
    /// The password stays here: what is sent is what SCRAM makes of it, from which it can only be guessed. It takes
    /// `iterations` runs of the hash function now, some milliseconds.
    ///
    /// - Parameters:
    ///   - user: the name without `User:` before it.
    ///   - mechanism: each mechanism has a password of its own, which may be the same.
    ///   - password: hashed as it is, in UTF-8 and without SASLprep, as Kafka does.
    ///   - iterations: 4,096 to 16,384, which brokers take by default.
    ///   - salt: nil for random bytes.
    public static func set(
        user: String, _ mechanism: ScramMechanism, password: String,
        iterations: Int = ScramAlteration.iterationsDefault, salt: [UInt8]? = nil
    ) -> ScramAlteration {
        var generator = SystemRandomNumberGenerator()
        let salt = salt ?? (0..<Self.saltBytes).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let keys = ScramKeys(mechanism, password: password, salt: salt, iterations: iterations)
        return ScramAlteration(
            user: user, mechanism: mechanism,
            change: .set(salt: salt, saltedPassword: keys.saltedPassword, iterations: iterations))
    }
    #endif
}

extension KafkaCluster {
    /// How users may log in by SCRAM, by their names; all users that may, for nil. Each fails on its own, with
    /// `resourceNotFound` for one that has no credentials. Mechanisms that this client does not know are left out.
    ///
    /// One request to any broker: DescribeUserScramCredentials 0, Kafka 2.7. Throws `brokerError` with
    /// `clusterAuthorizationFailed` when this client may not describe the cluster.
    public func describeScramUsers(
        _ users: [String]? = nil
    ) async throws -> [String: Result<[ScramCredential], KafkaClientError>] {
        var request = DescribeUserScramCredentialsRequest()
        request.users = users.map { users in
            Set(users).sorted().map { user in
                var name = DescribeUserScramCredentialsRequest.UserName()
                name.name = user
                return name
            }
        }
        let response = try await self.askAnyone(request, subject: "users") { ($0.errorCode, $0.errorMessage) }
        var results: [String: Result<[ScramCredential], KafkaClientError>] = [:]
        for user in users ?? [] {
            results[user] = .failure(
                KafkaClientError(
                    .malformedResponse, "the answer to DescribeUserScramCredentials lacks the user \(user)"))
        }
        for user in response.results {
            let credentials = user.credentialInfos.compactMap { info in
                ScramMechanism(rawValue: info.mechanism).map {
                    ScramCredential(mechanism: $0, iterations: Int(info.iterations))
                }
            }
            results[user.user] = Self.outcome(
                credentials, user.errorCode, subject: "user \(user.user)", message: user.errorMessage)
        }
        return results
    }

    /// Changes how users log in by SCRAM. The changes of one user succeed or fail together, for example with
    /// `unacceptableCredential` for too few iterations, `resourceNotFound` for a deletion of what is not there, and
    /// `duplicateResource` for two changes of the same mechanism.
    ///
    /// One request to the controller: AlterUserScramCredentials 0, Kafka 2.7.
    public func alterScramUsers(
        _ alterations: [ScramAlteration]
    ) async throws -> [String: Result<Void, KafkaClientError>] {
        guard !alterations.isEmpty else { return [:] }
        var request = AlterUserScramCredentialsRequest()
        for alteration in alterations {
            switch alteration.change {
            case .delete:
                var deletion = AlterUserScramCredentialsRequest.ScramCredentialDeletion()
                deletion.name = alteration.user
                deletion.mechanism = alteration.mechanism.rawValue
                request.deletions.append(deletion)
            case .set(let salt, let saltedPassword, let iterations):
                var upsertion = AlterUserScramCredentialsRequest.ScramCredentialUpsertion()
                upsertion.name = alteration.user
                upsertion.mechanism = alteration.mechanism.rawValue
                upsertion.iterations = Int32(clamping: iterations)
                upsertion.salt = ByteBuffer(bytes: salt)
                upsertion.saltedPassword = ByteBuffer(bytes: saltedPassword)
                request.upsertions.append(upsertion)
            }
        }
        let response = try await self.changeAtController(request) { $0.results.map(\.errorCode) }
        var results: [String: Result<Void, KafkaClientError>] = [:]
        for alteration in alterations {
            results[alteration.user] = .failure(
                KafkaClientError(
                    .malformedResponse, "the answer to AlterUserScramCredentials lacks the user \(alteration.user)"))
        }
        for result in response.results {
            results[result.user] = Self.outcome(
                (), result.errorCode, subject: "user \(result.user)", message: result.errorMessage)
        }
        return results
    }
}
