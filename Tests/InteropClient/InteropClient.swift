// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaClient

/// What the interop tests run as one more client beside confluent-kafka and kafka-python: KafkaClient, through the same
/// jobs on standard input and the same answers on standard output.
@main
struct InteropClient {
    static func main() async throws { try await Self.run() }

    private static func run() async throws {
        let job = try JSONDecoder().decode(Job.self, from: FileHandle.standardInput.readDataToEndOfFile())
        guard let brokers = BrokerAddress.list(job.bootstrap) else { throw JobError("no address: \(job.bootstrap)") }
        let configuration = KafkaClusterConfiguration(bootstrap: brokers)
        if let group = job.group { return try await GroupMember(job, group: group, configuration).run() }
        let results = try await KafkaCluster.withCluster(configuration) { cluster in
            var results: [Answer] = []
            for step in job.steps ?? [] { results.append(try await Self.run(step, cluster)) }
            return results
        }
        let output = try JSONEncoder().encode(Answer.object(["results": .list(results)]))
        FileHandle.standardOutput.write(output)
    }

    /// An error that the protocol names is an answer; any other ends the program, and the test with it.
    private static func run(_ step: Step, _ cluster: KafkaCluster) async throws -> Answer {
        do {
            if let answer = try await AdminSteps(cluster: cluster).run(step) { return answer }
            if let answer = try await RecordSteps(cluster: cluster).run(step) { return answer }
        } catch let error as KafkaClientError {
            guard let code = error.errorCode else { throw error }
            return .failure(code.name, error.message)
        }
        throw JobError("no such step: \(step.do)")
    }
}
