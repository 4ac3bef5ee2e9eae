// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A set of connections, at most one to each broker. A broker answers the requests of a connection in their order, so
/// what may take long, a Fetch or a JoinGroup, goes in a lane of its own and holds up nothing else.
struct ConnectionLane: Hashable, Sendable, CustomStringConvertible {
    /// What the lane is for, in logs.
    let purpose: String
    private let number: Int

    init(_ purpose: String, number: Int) {
        self.purpose = purpose
        self.number = number
    }

    /// For metadata and for administration: what is answered at once.
    static let general = ConnectionLane("general", number: 0)

    var description: String { self.number == 0 ? self.purpose : "\(self.purpose)-\(self.number)" }
}
