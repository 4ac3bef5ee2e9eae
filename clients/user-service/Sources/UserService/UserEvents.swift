// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// What this service tells others: events on ``topic``, whose subject (and so the key) is the id of the user. It is a
/// contract: fields may be added, and never change their meaning.
public enum UserEvents {
    /// Where the events are.
    public static let topic = "user-events"
    /// A user has signed up; the data is a ``UserData``.
    public static let signedUp = "user.signed-up"
    /// Name or email of a user has changed; the data is a ``UserData``, whole, so that one event says it all.
    public static let changed = "user.changed"

    /// What an event says about a user.
    public struct UserData: Codable, Sendable, Equatable {
        /// The subject of the event, once more.
        public var id: UUID
        /// From now on.
        public var name: String
        /// From now on.
        public var email: String
    }
}

/// What this service understands of the order service's events. Its own reading of that contract: the two services share
/// no code, and fields that are not needed here may come and go.
enum OrderEvents {
    static let topic = "order-events"
    static let placed = "order.placed"
    static let paid = "order.paid"
    static let shipped = "order.shipped"

    struct OrderData: Codable, Sendable {
        var userID: UUID
    }
}
