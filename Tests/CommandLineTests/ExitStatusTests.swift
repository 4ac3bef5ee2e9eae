// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaWire
import Testing

@testable import martlet

/// Testing has a type of this name, too.
private typealias Status = martlet.ExitStatus

@Suite struct ExitStatusTests {
    @Test("the numbers stay what they are, and the help has them all")
    func numbers() {
        #expect(
            Dictionary(uniqueKeysWithValues: Status.allCases.map { ("\($0)", $0.rawValue) }) == [
                "done": 0, "failure": 1, "unreachable": 2, "timedOut": 3, "refused": 4, "notFound": 5, "usage": 64,
            ])
        let help = Martlet.helpMessage(columns: 200)
        for status in Status.allCases { #expect(help.contains(status.summary)) }
    }

    @Test("each kind of error has its number")
    func errors() {
        func status(_ code: KafkaClientError.Code, cause: KafkaClientError? = nil) -> Status {
            KafkaClientError(code, "x", cause: cause).report().status
        }
        #expect(status(.clusterUnreachable) == .unreachable)
        #expect(status(.clusterUnreachable, cause: KafkaClientError(.timedOut, "x")) == .timedOut)
        #expect(status(.notKafka) == .unreachable)
        #expect(status(.tlsFailed) == .unreachable)
        #expect(status(.connectionClosed) == .unreachable)
        #expect(status(.timedOut) == .timedOut)
        #expect(status(.authenticationFailed) == .refused)
        #expect(status(.unsupportedVersion) == .failure)
        #expect(status(.malformedResponse) == .failure)
        #expect(status(.invalidRequest) == .failure)
        #expect(status(.unknownBroker) == .notFound)
        let answers: [(ErrorCode, Status)] = [
            (.unknownTopicOrPartition, .notFound), (.groupIDNotFound, .notFound), (.unknownTopicID, .notFound),
            (.topicAuthorizationFailed, .refused), (.groupAuthorizationFailed, .refused),
            (.clusterAuthorizationFailed, .refused), (.requestTimedOut, .timedOut),
            (.topicAlreadyExists, .failure), (.policyViolation, .failure),
        ]
        for (code, expected) in answers {
            #expect(KafkaClientError(code, subject: "x").exitStatus == expected, "\(code)")
        }
    }

    @Test("what all failures have in common is the status, and a part that failed is 1")
    func combining() {
        #expect(Status.combining([], of: 3) == .done)
        #expect(Status.combining([.notFound], of: 1) == .notFound)
        #expect(Status.combining([.notFound, .notFound], of: 2) == .notFound)
        #expect(Status.combining([.notFound], of: 2) == .failure)
        #expect(Status.combining([.notFound, .refused], of: 2) == .failure)
        #expect(throws: Never.self) { try Status.done.leave() }
        #expect(throws: ExitCode(5)) { try Status.notFound.leave() }
    }

    @Test("hints name the next step, and where an address comes from that nobody typed")
    func hints() throws {
        let error = KafkaClientError(.clusterUnreachable, "cannot connect to a:1")
        func hint(_ error: KafkaClientError, _ origin: ConnectionTarget.Origin) -> String {
            let target = ConnectionTarget(addresses: [], origin: origin, security: .plaintext)
            return ConnectionFailure(error: error, target: target).report().hint ?? ""
        }
        #expect(hint(error, .option).hasSuffix("-b host:port names another"))
        #expect(hint(error, .context("prod")).hasSuffix("the address is that of the context prod"))
        #expect(hint(error, .environment).hasSuffix("the address is that of $MARTLET_BOOTSTRAP"))
        #expect(hint(error, .fallback).contains("default"))
        #expect(hint(KafkaClientError(.timedOut, "late"), .option).contains("--timeout"))
        #expect(hint(KafkaClientError(.authenticationFailed, "no"), .option).contains("--user"))
        #expect(hint(KafkaClientError(.tlsFailed, "no"), .option).contains("--tls-ca"))
        let name = KafkaClientError(.connectionFailed, "cannot connect to x:1: the name cannot be resolved")
        #expect(hint(name, .option).contains("spelling"))
    }
}
