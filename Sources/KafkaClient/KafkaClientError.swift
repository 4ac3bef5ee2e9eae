// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
public import KafkaWire

/// What went wrong between this client and the cluster.
///
/// The code is for programs, the message for people: it names the broker, topic or partition, and what to do about it
/// where that is known.
public struct KafkaClientError: Error, Sendable {
    /// The kind of an error. The set is open: handle codes that you do not know as a failure.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Base: String {
            case connectionFailed, connectionClosed, notKafka, clusterUnreachable, timedOut, unsupportedVersion
            case malformedResponse, brokerError, invalidRequest, tooManyRequests, noLeader, unknownBroker
            case closed, recordTooLarge, bufferFull
            case tlsFailed, authenticationFailed, invalidConfiguration
        }

        private let base: Base

        private init(_ base: Base) { self.base = base }

        /// No connection to the broker could be made.
        public static let connectionFailed = Code(.connectionFailed)
        /// The connection ended before the answer came; whether the request was carried out is not known.
        public static let connectionClosed = Code(.connectionClosed)
        /// Something listens there, but it does not speak the Kafka protocol, or expects TLS or a login first.
        public static let notKafka = Code(.notKafka)
        /// None of the brokers that are known could be reached.
        public static let clusterUnreachable = Code(.clusterUnreachable)
        /// The answer did not come in time; whether the request was carried out is not known.
        public static let timedOut = Code(.timedOut)
        /// The broker has no version of the API that this client can use.
        public static let unsupportedVersion = Code(.unsupportedVersion)
        /// The answer is not what the protocol says, or a record batch in it is damaged.
        public static let malformedResponse = Code(.malformedResponse)
        /// The broker answered with an error: see ``KafkaClientError/errorCode``.
        public static let brokerError = Code(.brokerError)
        /// The request cannot be sent as it is.
        public static let invalidRequest = Code(.invalidRequest)
        /// More requests wait for one connection than its configuration allows.
        public static let tooManyRequests = Code(.tooManyRequests)
        /// The partition has no leader at present.
        public static let noLeader = Code(.noLeader)
        /// The cluster has no broker of the number that was asked for.
        public static let unknownBroker = Code(.unknownBroker)
        /// The producer has ended, or ended before the record was acknowledged.
        public static let closed = Code(.closed)
        /// The record is larger than the producer may send.
        public static let recordTooLarge = Code(.recordTooLarge)
        /// No memory of the producer became free in time: records come faster than the cluster takes them.
        public static let bufferFull = Code(.bufferFull)
        /// The broker was reached, but not over TLS: one of the two does not trust the other, or only one speaks TLS.
        public static let tlsFailed = Code(.tlsFailed)
        /// The broker does not take this client's login, or failed to show that it is the right broker.
        public static let authenticationFailed = Code(.authenticationFailed)
        /// What was configured contradicts itself, cannot be read, or takes a package trait that this build lacks.
        public static let invalidConfiguration = Code(.invalidConfiguration)

        /// The name of the code.
        public var description: String { self.base.rawValue }
    }

    /// What kind of error it is.
    public var code: Code
    /// What happened, for people.
    public var message: String
    /// What the broker answered, when `code` is `brokerError`.
    public var errorCode: ErrorCode?
    /// Of a record that failed: it may be in the log all the same, once. False when it is certain that it is not, and
    /// will not be.
    public var mayBeWritten = false
    /// The error below this one.
    public var cause: (any Error)?

    /// An error of this client.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// The answer `errorCode` of a broker about `subject`, for example a topic. The message is the broker's, if it
    /// gave one.
    public init(_ errorCode: ErrorCode, subject: String, message: String? = nil) {
        self.code = .brokerError
        self.errorCode = errorCode
        let reason = [message ?? "", errorCode.summary].first { !$0.isEmpty } ?? ""
        // Most messages of brokers name what they are about.
        let parts = reason.contains(subject) ? [errorCode.name, reason] : [subject, errorCode.name, reason]
        self.message = parts.filter { !$0.isEmpty }.joined(separator: ": ")
    }

    /// The cluster has no broker of this number.
    init(unknownBroker node: NodeID) {
        self.init(.unknownBroker, "the cluster has no broker \(node)")
    }

    /// The same request may succeed when it is sent again, perhaps to another broker.
    public var isRetriable: Bool {
        switch self.code {
        case .brokerError: self.errorCode?.isRetriable ?? false
        case .connectionFailed, .connectionClosed, .timedOut, .noLeader: true
        default: false
        }
    }

    /// The cluster was not reached at all, as opposed to reached and unwilling.
    public var isUnreachable: Bool {
        switch self.code {
        case .connectionFailed, .connectionClosed, .notKafka, .tlsFailed, .clusterUnreachable, .timedOut: true
        default: false
        }
    }
}

extension KafkaClientError: CustomStringConvertible {
    /// The message.
    public var description: String { self.message }
}
