// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import AsyncHTTPClient
import Foundation
import KafkaClient
import OrderService
import ServiceKit
import ServiceKitTesting
import UnixSignals
import UserService

/// Runs a broker and some replicas of both services on this machine, lets people sign up and order, disturbs it as it is
/// told, and checks at the end that nothing was lost and nothing happened twice.
@main struct Demo {
    /// How long everything may take to start.
    static let startLimit = Duration.seconds(60)
    /// How long it may take until all is quiet and right after the traffic has ended.
    static let settleLimit = Duration.seconds(120)

    let options: Options
    let fleet: Fleet
    let ledger = Ledger()
    let cluster: KafkaCluster
    let http = HTTPClient.impatient()

    static func main() async {
        let options: Options
        do {
            options = try Options(CommandLine.arguments.dropFirst())
        } catch {
            say("\(error)\n\(Options.usage)")
            exit(2)
        }
        do {
            let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
            let fleet = try Fleet(options)
            let demo = Demo(options, fleet)
            let isRight = await demo.run(until: signals)
            let isOrderly = await fleet.stop()
            await demo.cluster.close()
            try await demo.http.shutdown()
            say(isRight && isOrderly ? "all is right" : "something is wrong: the logs are in \(fleet.folder.path)")
            if isRight && isOrderly { try? FileManager.default.removeItem(at: fleet.folder) }
            exit(isRight && isOrderly ? 0 : 1)
        } catch {
            say("\(error)")
            exit(1)
        }
    }

    init(_ options: Options, _ fleet: Fleet) {
        self.options = options
        self.fleet = fleet
        self.cluster = KafkaCluster(KafkaClusterConfiguration(bootstrap: [fleet.bootstrap]))
    }

    /// True when all went right. The first signal ends the traffic, the second everything.
    private func run(until signals: UnixSignalsSequence) async -> Bool {
        await withTaskGroup(of: Bool?.self) { group in
            let (interruptions, interruption) = AsyncStream<Void>.makeStream()
            group.addTask {
                var count = 0
                for await signal in signals {
                    count += 1
                    say("\(signal): \(count == 1 ? "the traffic ends; once more to end everything" : "the end")")
                    interruption.yield()
                    if count == 2 { return false }
                }
                return nil
            }
            group.addTask {
                do {
                    return try await self.play(interruptions)
                } catch {
                    say("\(error)")
                    return false
                }
            }
            var result: Bool?
            while result == nil, let next = await group.next() { result = next }
            group.cancelAll()
            return result ?? false
        }
    }

    private func play(_ interruptions: AsyncStream<Void>) async throws -> Bool {
        say("seed \(self.options.seed); logs in \(self.fleet.folder.path)")
        try await self.start()
        await withTaskGroup(of: Void.self) { group in
            let traffic = Traffic(
                fleet: self.fleet, ledger: self.ledger, http: self.http, rate: self.options.rate,
                seed: self.options.seed)
            group.addTask { await traffic.run() }
            group.addTask { await Watcher(cluster: self.cluster, ledger: self.ledger).run() }
            if let interval = self.options.killEvery {
                group.addTask { await Killer(fleet: self.fleet, interval: interval, seed: self.options.seed).run() }
            }
            if self.options.throwsPoison {
                group.addTask {
                    do {
                        try await Poisoner(cluster: self.cluster.configuration, ledger: self.ledger).run()
                    } catch is CancellationError {
                    } catch { say("      ! no more poison: \(error)") }
                }
            }
            await self.waitForEnd(interruptions)
            group.cancelAll()
        }
        try Task.checkCancellation()
        return try await self.verify()
    }

    private func start() async throws {
        try self.fleet.broker.start()
        try await eventually("the broker answers", within: Self.startLimit) {
            (try? await self.cluster.describeCluster()) != nil
        }
        // The services would make them, too.
        _ = try await self.cluster.createTopics(
            [UserEvents.topic, OrderEvents.topic].map { NewTopic($0, partitionCount: 6) })
        for replica in self.fleet.replicas { try replica.child.start() }
        for replica in self.fleet.replicas {
            try await eventually("\(replica.name) is ready", within: Self.startLimit) {
                await self.http.ask("GET", replica.url("/readyz"))?.status == 200
            }
            say("\(replica.name) is ready: \(replica.url("/readyz"))")
        }
    }

    private func waitForEnd(_ interruptions: AsyncStream<Void>) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in interruptions { break } }
            if let seconds = self.options.seconds { group.addTask { try? await Task.sleep(for: .seconds(seconds)) } }
            await group.next()
            group.cancelAll()
        }
    }

    /// Waits until all is quiet and right, or it is clear that it will not be.
    private func verify() async throws -> Bool {
        let verification = Verification(
            fleet: self.fleet, ledger: self.ledger, cluster: self.cluster, http: self.http)
        say("the traffic has ended: \(verification.summary())")
        let end = ContinuousClock.now + Self.settleLimit
        var problems = ["not verified"]
        while !problems.isEmpty, ContinuousClock.now < end {
            try await Task.sleep(for: .seconds(1))
            problems = (try? await verification.problems()) ?? ["the broker or a service does not answer"]
        }
        for problem in problems.prefix(20) { say("WRONG: \(problem)") }
        if problems.count > 20 { say("WRONG: and \(problems.count - 20) more") }
        if problems.isEmpty {
            say("verified: nothing lost, nothing twice, all views agree, poison is where it belongs")
        }
        return problems.isEmpty
    }
}
