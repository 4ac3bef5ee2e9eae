// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Hummingbird

/// A user, and how many orders they have placed, paid and got shipped so far.
public struct User: Codable, Sendable, Equatable {
    /// Given by this service.
    public var id: UUID
    /// 1 to 200 characters.
    public var name: String
    /// Unlike that of every other user.
    public var email: String
    /// What this service has learned from `order-events`. It lags behind the order service, and catches up.
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

    /// None.
    public init() {}
}

extension User: ResponseEncodable {}
