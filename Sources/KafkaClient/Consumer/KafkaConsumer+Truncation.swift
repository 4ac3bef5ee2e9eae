// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Logging

extension KafkaConsumer {
    /// Asks a leader whether it has what was read from the one before.
    func check(
        _ checks: [TopicPartition: Fetcher.Check], at leader: BrokerAddress, _ lookup: Fetcher.Lookup
    ) async throws {
        let connection = try await self.cluster.advertisedConnection(to: leader)
        guard let ends = try await connection.epochEnds(checks) else {
            self.withState { state in
                for (partition, check) in checks { state.fetcher.pass(partition, check) }
            }
            return
        }
        for (partition, check) in checks {
            switch ends[partition] {
            case .success(let end):
                let truncation = self.withState { $0.fetcher.checked(partition, check, end: end) }
                if let truncation { self.truncated(truncation) }
            case .failure(let error):
                self.failed(lookup, for: [partition], error)
            case nil:
                break
            }
        }
    }

    private func truncated(_ truncation: Fetcher.Truncation) {
        let (partition, position) = (truncation.partition, Offset(truncation.check.offset))
        guard let start = self.configuration.offsetReset.start else {
            self.fail(truncation.error)
            return
        }
        self.logger.warning("a log was truncated", metadata: [KafkaLogKey.reason: "\(truncation.error)"])
        guard let end = truncation.end else {
            self.interrupt { state in
                guard state.fetcher.isCurrent(partition, number: truncation.check.number) else { return }
                state.reset(partition, from: position, to: start)
            }
            return
        }
        if let moved = self.interrupt({ $0.truncate(truncation, to: end) }) {
            self.tell(.truncated(partition, from: moved.from, to: moved.to))
        }
    }
}

extension Fetcher.Truncation {
    /// What is wrong, and what to do about it.
    var error: KafkaClientError {
        var error = KafkaClientError(.offsetOutOfRange, subject: "\(self.partition)")
        let parted =
            self.end.map { "the two part at offset \($0.offset), the end of leader epoch \($0.epoch)" }
            ?? "its leader knows nothing of that epoch"
        error.message =
            "the log of \(self.partition) was truncated: what was read up to position \(self.check.offset), of leader"
            + " epoch \(self.check.epoch), is not in the log of leader epoch \(self.check.leaderEpoch); \(parted); seek"
            + " or commit another offset, or set offsetReset to .earliest or .latest"
        return error
    }
}
