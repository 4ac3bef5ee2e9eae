// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Hummingbird

/// The HTTP side of the service.
struct OrderRoutes: Sendable {
    let orders: OrderStore
    let users: KnownUsers

    func add(to router: some RouterMethods<some RequestContext>) {
        router.post("orders") { request, context in
            let body = try await request.decode(as: NewOrder.self, context: context)
            try body.check()
            return try await Self.answeringConflicts {
                let order = try await self.orders.place(
                    userID: body.userID, item: body.item, amountCents: body.amountCents)
                return EditedResponse(status: .created, response: order)
            }
        }
        router.post("orders/{id}/pay") { _, context in
            try await self.advance(try context.parameters.require("id", as: UUID.self), to: .paid)
        }
        router.post("orders/{id}/ship") { _, context in
            try await self.advance(try context.parameters.require("id", as: UUID.self), to: .shipped)
        }
        router.get("orders/{id}") { _, context in
            try await self.orders.find(try context.parameters.require("id", as: UUID.self))
                ?? Self.unknown("order")
        }
        router.get("users/{id}") { _, context in
            try await self.users.find(try context.parameters.require("id", as: UUID.self)) ?? Self.unknown("user")
        }
    }

    private struct NewOrder: Decodable {
        var userID: UUID
        var item: String
        var amountCents: Int

        func check() throws {
            guard (1...200).contains(self.item.count), self.amountCents > 0 else {
                throw HTTPError(.badRequest, message: "an order has an item of 1 to 200 characters and a price")
            }
        }
    }

    private func advance(_ id: UUID, to state: Order.State) async throws -> Order {
        try await Self.answeringConflicts {
            try await self.orders.advance(id, to: state) ?? Self.unknown("order")
        }
    }

    private static func unknown<Value>(_ what: String) throws -> Value {
        throw HTTPError(.notFound, message: "there is no such \(what)")
    }

    private static func answeringConflicts<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch OrderStore.Problem.unknownUser {
            // Not 404: this service cannot say that there is no such user, only that it has not heard of them.
            throw HTTPError(
                .conflict, headers: [.retryAfter: "1"], message: "this user is not known here yet; try again soon")
        } catch OrderStore.Problem.wrongState(let state) {
            throw HTTPError(.conflict, message: "the order is \(state.rawValue)")
        }
    }
}
