// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaWire

/// An error that has more to say than its description: what to do, and how the process ends.
protocol CommandLineFailure: Error {
    func report() -> FailureReport
}

/// An error as a person reads it: what happened, then what to do about it.
struct FailureReport {
    var message: String
    /// The next step, when there is an obvious one.
    var hint: String?
    var status: ExitStatus = .failure

    func print() {
        let terminal = Terminal.standardError
        StandardError.print("\(terminal.styled("error:", .bad)) \(self.message)")
        if let hint = self.hint { StandardError.print("\(terminal.styled("hint:", .title)) \(hint)") }
    }
}

/// An operation that did not do what was asked.
struct CommandFailure: CommandLineFailure {
    var message: String
    var hint: String?
    var status: ExitStatus

    init(_ message: String, hint: String? = nil, status: ExitStatus = .failure) {
        self.message = message
        self.hint = hint
        self.status = status
    }

    func report() -> FailureReport {
        FailureReport(message: self.message, hint: self.hint, status: self.status)
    }
}

extension KafkaClientError: CommandLineFailure {
    func report() -> FailureReport {
        FailureReport(message: self.message, hint: self.hint, status: self.exitStatus)
    }

    private var hint: String? {
        switch self.code {
        case .clusterUnreachable, .connectionFailed:
            "is the broker running? `martlet serve` starts one here; -b host:port names another"
        case .notKafka:
            "-b wants a plain Kafka listener, without TLS or SASL"
        case .timedOut:
            "the broker may be busy or stuck; --timeout allows it more time"
        case .brokerError:
            self.errorCode.flatMap(Self.hint(for:))
        default:
            nil
        }
    }

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
        default:
            nil
        }
    }
}
