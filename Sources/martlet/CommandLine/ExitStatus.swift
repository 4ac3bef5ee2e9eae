// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaWire

/// What the process tells its caller: the same for all commands, and never renumbered, because scripts go by it.
/// Documented in `martlet help` and in docs/COMMAND-LINE.md.
enum ExitStatus: Int32, CaseIterable {
    /// Everything that was asked for was done.
    case done = 0
    /// It was not done, or a part of it was not; or the answer to the question is no.
    case failure = 1
    /// No broker could be reached, or what listens there is no broker.
    case unreachable = 2
    /// A broker was reached and the answer did not come in time; whether a change was made is not known.
    case timedOut = 3
    /// The broker does not take the login, or this user may not do that.
    case refused = 4
    /// The topic, group, broker, config, context or file that was named does not exist.
    case notFound = 5
    /// The command line, or a setting that stands in for a part of it, is not understood. The number is sysexits.h's.
    case usage = 64

    /// For the table in `martlet help`.
    var summary: String {
        switch self {
        case .done: "done"
        case .failure: "it failed, or a part of it; or the answer is no"
        case .unreachable: "no broker can be reached"
        case .timedOut: "the answer did not come within --timeout"
        case .refused: "not logged in, or not allowed"
        case .notFound: "what was named does not exist"
        case .usage: "the command line is not understood"
        }
    }

    /// All of them, for `martlet help`.
    static var table: String {
        self.allCases.map { status in
            let number = "\(status.rawValue)"
            return "  " + number + String(repeating: " ", count: 4 - number.count) + status.summary
        }.joined(separator: "\n")
    }

    /// What stands for failures of several things: what they have in common, and otherwise that a part failed. `of` is
    /// how many things there were: when only some failed, it is `failure`.
    static func combining(_ failures: [ExitStatus], of count: Int) -> ExitStatus {
        guard let first = failures.first else { return .done }
        return failures.count >= count && failures.allSatisfy { $0 == first } ? first : .failure
    }

    /// Throws the exit code, unless it is `done`. Everything has to be printed by then.
    func leave() throws {
        if self != .done { throw ExitCode(self.rawValue) }
    }
}

extension KafkaClientError {
    /// What this error means to the caller of the process.
    var exitStatus: ExitStatus {
        switch self.code {
        case .timedOut: .timedOut
        case .authenticationFailed: .refused
        case .clusterUnreachable:
            // All brokers failed, the first for this reason.
            (self.cause as? KafkaClientError)?.code == .timedOut ? .timedOut : .unreachable
        case .connectionFailed, .connectionClosed, .notKafka, .tlsFailed: .unreachable
        case .unknownBroker: .notFound
        case .brokerError: self.errorCode.map(Self.exitStatus(for:)) ?? .failure
        default: .failure
        }
    }

    private static func exitStatus(for errorCode: ErrorCode) -> ExitStatus {
        switch errorCode {
        case .topicAuthorizationFailed, .groupAuthorizationFailed, .clusterAuthorizationFailed,
            .transactionalIDAuthorizationFailed, .delegationTokenAuthorizationFailed, .saslAuthenticationFailed:
            .refused
        case .unknownTopicOrPartition, .unknownTopicID, .groupIDNotFound, .resourceNotFound:
            .notFound
        case .requestTimedOut:
            .timedOut
        default:
            .failure
        }
    }
}
