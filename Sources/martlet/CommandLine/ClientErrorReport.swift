// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaWire

/// What the errors of the client mean to a person at the command line: what happened, and what to do about it.
extension KafkaClientError: CommandLineFailure {
    func report() -> FailureReport { self.report(target: nil) }

    /// `target` is the cluster that it happened with, where that is known.
    func report(target: ConnectionTarget?) -> FailureReport {
        FailureReport(message: self.message, hint: self.hint(target), status: self.exitStatus)
    }

    private func hint(_ target: ConnectionTarget?) -> String? {
        let origin = target?.origin.text.map { "; \($0)" } ?? ""
        switch self.code {
        case .clusterUnreachable, .connectionFailed:
            if self.exitStatus == .timedOut { return Self.patience }
            if self.message.contains("cannot be resolved") {
                return "check the spelling of the host, and that this machine can look names up" + origin
            }
            return "is the broker running? `martlet serve` starts one here; -b host:port names another" + origin
        case .connectionClosed:
            return "the broker may be stopping, or wants TLS or a login: --tls, --sasl" + origin
        case .notKafka:
            return "is it the port of a Kafka listener? --tls speaks TLS, --sasl logs in" + origin
        case .tlsFailed:
            return "--tls-ca names the authority that signed the broker's certificate, --tls-server-name the name in it"
                + origin
        case .authenticationFailed:
            return "--sasl, --user and --password-file say who logs in; `martlet context show` what is saved"
        case .timedOut:
            return Self.patience
        case .unsupportedVersion:
            return "the broker is too old for this, or does not do it at all; `martlet cluster apis` shows what it"
                + " serves"
        case .unknownBroker:
            return "`martlet cluster brokers` shows which there are"
        case .brokerError:
            return self.errorCode.flatMap(Self.hint(for:))
        default:
            return nil
        }
    }

    private static let patience = "the broker may be busy or stuck; --timeout allows it more seconds"

    private static func hint(for errorCode: ErrorCode) -> String? {
        switch errorCode {
        case .unknownTopicOrPartition:
            "`martlet topic list` shows what there is, `martlet topic create NAME` makes one"
        case .topicAlreadyExists:
            "--if-not-exists makes this no error"
        case .invalidReplicationFactor:
            "there cannot be more replicas than brokers: lower --replication-factor"
        case .messageTooLarge, .recordListTooLarge:
            "`martlet topic alter NAME --config max.message.bytes=BYTES` lets larger records in"
        case .offsetOutOfRange:
            "--from beginning starts with the first record that is still there"
        case .groupIDNotFound:
            "`martlet group list` shows what there is"
        case .nonEmptyGroup:
            "`martlet group describe NAME --members` shows them; stop them first"
        case .topicDeletionDisabled:
            "the broker has delete.topic.enable=false"
        case .invalidConfig:
            "`martlet config list -o wide`, with the same --topic, --broker or --group, shows names, values and what they mean"
        case .topicAuthorizationFailed, .groupAuthorizationFailed, .clusterAuthorizationFailed,
            .transactionalIDAuthorizationFailed:
            "this user may not do that: an operator can allow it, or --user names another"
        default:
            nil
        }
    }
}
