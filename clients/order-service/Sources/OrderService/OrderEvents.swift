// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// What this service tells others: events on ``topic``, whose subject (and so the key) is the id of the order.
///
/// What has to stay in order is the life of one order: placed, paid, shipped. Were the user the key, a user with many
/// orders would be a partition with much to do, and nobody would gain by it: who counts orders of a user does not mind
/// which comes first.
public enum OrderEvents {
    /// Where the events are.
    public static let topic = "order-events"

    /// The type of the event that tells of a state; the data is an ``OrderData``.
    public static func type(of state: Order.State) -> String { "order.\(state.rawValue)" }

    /// What an event says about an order.
    public struct OrderData: Codable, Sendable, Equatable {
        /// The subject of the event, once more.
        public var id: UUID
        /// Whose order it is.
        public var userID: UUID
        /// What was ordered.
        public var item: String
        /// For how much.
        public var amountCents: Int
    }
}

/// What this service understands of the user service's events. Its own reading of that contract: the two services share
/// no code.
enum UserEvents {
    static let topic = "user-events"
    static let signedUp = "user.signed-up"
    static let changed = "user.changed"

    struct UserData: Codable, Sendable {
        var id: UUID
        var name: String
        var email: String
    }
}
