// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire

/// Names kinds of errors for metrics and spans: OpenTelemetry's `error.type`.
enum ErrorKind {
    /// Kafka's name of the error where a broker answered with one, otherwise this library's: a small set.
    static func name(of error: any Error) -> String {
        switch error {
        case let error as KafkaClientError: error.errorCode?.name ?? error.code.description
        case is CancellationError: "cancelled"
        default: "_OTHER"
        }
    }
}
