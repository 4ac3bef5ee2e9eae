// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// Asks the brokers what they have measured when a load begins to count and when it ends, and has the client's own
/// times of the same while. What does not work is told and left out: the run does not depend on it.
final class BrokerWatch: Sendable {
    /// What the brokers told.
    struct Outcome: Sendable {
        /// The addresses whose figures are in it, in their order.
        var addresses: [AdminAddress] = []
        /// Of all of them, for the time that counts; nil without any.
        var figures: BrokerSnapshot?
        /// Why others are not, each in one line.
        var problems: [String] = []
    }

    private struct State {
        var hasBegun = false
        var before: [AdminAddress: BrokerSnapshot]?
        var hasEnded = false
        var outcome = Outcome()
    }

    let addresses: [AdminAddress]
    let requests: RequestTimes
    /// Told each problem when it is found.
    private let warn: @Sendable (String) -> Void
    private let state = Mutex(State())

    init(_ addresses: [AdminAddress], requests: RequestTimes, warn: @escaping @Sendable (String) -> Void) {
        self.addresses = addresses
        self.requests = requests
        self.warn = warn
    }

    /// The load counts from now on. Returns when all brokers have answered, or have not in time.
    func begin() async {
        self.state.withLock { $0.hasBegun = true }
        let snapshots = await self.snapshots(of: self.addresses) { self.requests.begin() }
        self.state.withLock { state in
            // A load that has ended meanwhile was too short.
            if !state.hasEnded { state.before = snapshots }
        }
    }

    /// It does not count any more; nothing happens when that was said before.
    func end() async {
        let before = self.state.withLock { state -> [AdminAddress: BrokerSnapshot]? in
            if state.hasEnded { return nil }
            state.hasEnded = true
            return state.before ?? [:]
        }
        guard let before else { return }
        if self.state.withLock({ $0.hasBegun && $0.before == nil }) {
            self.tell("no times of the brokers: the load ended before they had told where they began")
        }
        let known = self.addresses.filter { before[$0] != nil }
        let after = await self.snapshots(of: known) { self.requests.end() }
        for address in known {
            guard let earlier = before[address], let later = after[address] else { continue }
            do throws(BrokerSilence) {
                let own = try later.since(earlier)
                let sum = try self.state.withLock { $0.outcome.figures }?.adding(own) ?? own
                self.state.withLock { state in
                    state.outcome.figures = sum
                    state.outcome.addresses.append(address)
                }
            } catch {
                self.failed(address, error)
            }
        }
    }

    var outcome: Outcome { self.state.withLock { $0.outcome } }

    /// Not a pair: with one, what Swift 6.3.1 makes of it with optimisation crashes when the group hands it over.
    private final class Answer: Sendable {
        let address: AdminAddress
        let page: Result<[UInt8], any Error>

        init(_ address: AdminAddress, _ page: Result<[UInt8], any Error>) {
            self.address = address
            self.page = page
        }
    }

    private static func ask(_ address: AdminAddress) async -> Answer {
        do {
            return Answer(address, .success(try await PageRequest.page(at: address)))
        } catch {
            return Answer(address, .failure(error))
        }
    }

    /// What brokers say, all at once. `answered` is called as soon as the first of them has, before that is looked at and
    /// without those that are silent: the client's times are to begin and end where the brokers' do.
    private func snapshots(
        of addresses: [AdminAddress], answered: () -> Void
    ) async -> [AdminAddress: BrokerSnapshot] {
        let answers = await withTaskGroup(of: Answer.self) { tasks in
            for address in addresses { tasks.addTask { await Self.ask(address) } }
            var (answers, isFirst) = ([AdminAddress: Result<[UInt8], any Error>](), true)
            for await answer in tasks {
                answers[answer.address] = answer.page
                guard isFirst, case .success = answer.page else { continue }
                isFirst = false
                answered()
            }
            return answers
        }
        var snapshots: [AdminAddress: BrokerSnapshot] = [:]
        for address in addresses {
            do {
                snapshots[address] = try answers[address].map { try BrokerSnapshot(page: try $0.get()) }
            } catch {
                self.failed(address, error)
            }
        }
        return snapshots
    }

    private func failed(_ address: AdminAddress, _ error: any Error) {
        self.tell("no times of the broker at \(address): it \(error)")
    }

    private func tell(_ text: String) {
        self.state.withLock { $0.outcome.problems.append(text) }
        self.warn(text)
    }
}
