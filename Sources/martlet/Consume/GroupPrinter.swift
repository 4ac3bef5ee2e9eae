// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaTypes
import NIOPosix
import Synchronization
import UnixSignals

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// `martlet consume --group`: prints what the group gives to this member, until a signal comes.
///
/// What was printed has been written to the standard output before it counts as done, so that everything that is
/// committed has been printed.
struct GroupPrinter {
    let configuration: KafkaConsumerConfiguration
    let printer: RecordPrinter
    /// Partitions that come and go are told.
    let isVerbose: Bool

    func run(_ cluster: KafkaCluster) async throws {
        let consumer = try KafkaConsumer(sharing: cluster, configuration: self.configuration)
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let stopper = Task {
            var isStopping = false
            for await _ in signals {
                // Whoever asks twice does not want to wait for the commit.
                if isStopping { exit(ExitStatus.failure.rawValue) }
                isStopping = true
                consumer.close()
            }
        }
        defer { stopper.cancel() }
        let reporter = GroupReporter(isVerbose: self.isVerbose)
        let printer = self.printer
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await consumer.run() }
            tasks.addTask { for await event in consumer.events { reporter.report(event) } }
            for try await batch in consumer.batches {
                // A reader of the output who takes his time must not hold up a thread that others need.
                let end = try await NIOThreadPool.singleton.runIfActive { try printer.printAndFlush(batch) }
                guard let end else { continue }
                consumer.markProcessed(batch, upTo: end)
                break
            }
            consumer.close()
            try await tasks.waitForAll()
        }
    }
}

/// Tells on the standard error what happens in a group.
final class GroupReporter: Sendable {
    private let isVerbose: Bool
    private let lastWarning = Mutex("")

    init(isVerbose: Bool) { self.isVerbose = isVerbose }

    func report(_ event: KafkaConsumerEvent) {
        guard let line = self.line(for: event) else { return }
        // What fails again and again is told once.
        let isNew = self.lastWarning.withLock { last in
            defer { last = line }
            return last != line
        }
        if isNew { StandardError.print(line) }
    }

    /// Nil for what is not worth telling.
    func line(for event: KafkaConsumerEvent) -> String? {
        switch event {
        case .assigned(let partitions):
            return self.isVerbose ? "assigned: \(partitions.shortText)" : nil
        case .revoked(let partitions):
            return self.isVerbose ? "revoked: \(partitions.shortText)" : nil
        case .lost(let partitions, let error):
            return "warning: lost \(partitions.shortText), which may be printed again: \(error)"
        case .reset(let partition, let from, let to):
            if let from { return "warning: \(partition) has no offset \(from): going on with \(to)" }
            return self.isVerbose ? "nothing is committed for \(partition): beginning with \(to)" : nil
        case .truncated(let partition, let from, let to):
            return "warning: \(partition) has lost what was printed from \(to) up to \(from): going on with \(to)"
        case .retrying(let error):
            return "warning: \(error); trying again"
        case .commitFailed(let error):
            return "warning: not committed, and may be printed again: \(error)"
        }
    }
}
