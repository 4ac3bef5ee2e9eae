// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import AsyncHTTPClient
import Foundation
import NIOCore
import OrderService
import UserService

/// People who sign up, change their names, order, pay and get their parcels, by HTTP to whichever replica.
struct Traffic: Sendable {
    /// How many requests are under way at a time.
    static let workers = 8
    /// How long a request may take: longer than a replica waits for the other ones' transactions.
    static let timeout = TimeAmount.seconds(10)

    let fleet: Fleet
    let ledger: Ledger
    let http: HTTPClient
    let rate: Int
    let seed: UInt64

    /// Sends requests until it is cancelled. What is under way then is finished, or counts as not answered.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<Self.workers {
                group.addTask {
                    var generator = SeededGenerator(seed: self.seed &+ UInt64(worker) &* 7919)
                    let pause = Double(Self.workers) / Double(self.rate)
                    while !Task.isCancelled {
                        await self.request(using: &generator, worker)
                        let factor = Double.random(in: 0.5...1.5, using: &generator)
                        try? await Task.sleep(for: .seconds(pause * factor))
                    }
                }
            }
        }
    }

    private func request(using generator: inout SeededGenerator, _ worker: Int) async {
        let chance = Int.random(in: 0..<100, using: &generator)
        let number = generator.next()
        let user = self.ledger.randomUser(using: &generator)
        switch (chance, user) {
        case (0..<8, _), (_, nil): await self.signUp(number, using: &generator)
        case (8..<12, let user?): await self.rename(user, number, using: &generator)
        case (12..<45, let user?): await self.place(for: user, using: &generator)
        default: await self.advance(using: &generator)
        }
    }

    private func signUp(_ number: UInt64, using generator: inout SeededGenerator) async {
        let body = #"{"name":"User \#(number % 10_000)","email":"\#(number)@example.com"}"#
        guard let replica = self.fleet.users.randomElement(using: &generator),
            let (status, data) = await self.send("POST", replica.url("/users"), body), status == 201,
            let user = try? JSONDecoder().decode(User.self, from: data)
        else { return self.failed() }
        self.ledger.signedUp(user.id)
    }

    private func rename(_ user: UUID, _ number: UInt64, using generator: inout SeededGenerator) async {
        guard let replica = self.fleet.users.randomElement(using: &generator),
            let (status, _) = await self.send(
                "PATCH", replica.url("/users/\(user)"), #"{"name":"User \#(number % 10_000)"}"#), status == 200
        else { return self.failed() }
    }

    private func place(for user: UUID, using generator: inout SeededGenerator) async {
        let cents = Int.random(in: 100...10_000, using: &generator)
        let body = #"{"userID":"\#(user)","item":"tea","amountCents":\#(cents)}"#
        guard let replica = self.fleet.orders.randomElement(using: &generator),
            let (status, data) = await self.send("POST", replica.url("/orders"), body)
        else { return self.failed() }
        // 409: the order service has not heard of this user yet.
        guard status == 201, let order = try? JSONDecoder().decode(Order.self, from: data) else {
            return status == 409 ? () : self.failed()
        }
        self.ledger.placed(order.id)
    }

    private func advance(using generator: inout SeededGenerator) async {
        guard let order = self.ledger.takeOpenOrder(using: &generator) else { return }
        defer { self.ledger.putBack(order.id) }
        let step = order.stage == 1 ? "pay" : "ship"
        guard let replica = self.fleet.orders.randomElement(using: &generator),
            let (status, _) = await self.send("POST", replica.url("/orders/\(order.id)/\(step)"), nil),
            // 409: done before, by a request whose answer got lost.
            status == 200 || status == 409
        else { return self.failed() }
        self.ledger.advanced(order.id, to: order.stage + 1)
    }

    /// A request that was under way at the end is none that failed.
    private func failed() {
        if !Task.isCancelled { self.ledger.failed() }
    }

    /// Nil when there is no answer.
    private func send(_ method: String, _ url: String, _ body: String?) async -> (UInt, Data)? {
        await self.http.ask(method, url, body)
    }
}

extension HTTPClient {
    /// A client that takes a refused connection for an answer: who was killed does not come back for seconds.
    static func impatient() -> HTTPClient {
        var configuration = Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(configuration: configuration)
    }

    /// Status and body of the answer, nil when there is none.
    func ask(_ method: String, _ url: String, _ body: String? = nil) async -> (status: UInt, body: Data)? {
        var request = HTTPClientRequest(url: url)
        request.method = .init(rawValue: method)
        if let body { request.body = .bytes(ByteBuffer(string: body)) }
        do {
            let response = try await self.execute(request, timeout: Traffic.timeout)
            let body = try await response.body.collect(upTo: 1 << 20)
            return (response.status.code, Data(body.readableBytesView))
        } catch {
            return nil
        }
    }
}
