// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Hummingbird

/// An order and how far it has come.
public struct Order: Codable, Sendable, Equatable {
    /// How far an order has come: each state follows the one before it, and none is left out.
    public enum State: String, Codable, Sendable, CaseIterable {
        case placed, paid, shipped

        /// The state that has to come before this one; nil for the first.
        var previous: State? {
            switch self {
            case .placed: nil
            case .paid: .placed
            case .shipped: .paid
            }
        }
    }

    /// Given by this service.
    public var id: UUID
    /// Who placed it.
    public var userID: UUID
    /// 1 to 200 characters.
    public var item: String
    /// More than 0.
    public var amountCents: Int
    /// How far it has come.
    public var state: State
}

extension Order: ResponseEncodable {}

/// A user as this service knows them, from their events.
public struct KnownUser: Codable, Sendable, Equatable {
    /// Given by the user service.
    public var id: UUID
    /// As of the last event.
    public var name: String
    /// As of the last event.
    public var email: String
    /// How many orders have come how far; one that was shipped counts in all three.
    public var orders = OrderCounts()
}

/// How many orders have come how far. An order that was shipped counts in all three.
public struct OrderCounts: Codable, Sendable, Equatable {
    /// Orders that were placed.
    public var placed = 0
    /// Those that were paid.
    public var paid = 0
    /// Those that were shipped.
    public var shipped = 0
}

extension KnownUser: ResponseEncodable {}
