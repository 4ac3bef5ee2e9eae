// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A variant of SCRAM (RFC 5802, RFC 7677): the hash function that it stands on. The raw value is Kafka's number of it
/// in requests about users (KIP-554).
public enum ScramMechanism: Int8, CaseIterable, Hashable, Sendable, CustomStringConvertible {
    /// SCRAM-SHA-256.
    case sha256 = 1
    /// SCRAM-SHA-512.
    case sha512 = 2

    /// The fewest iterations that are accepted: what RFC 7677 asks of servers, and Kafka too. Fewer would help who
    /// guesses passwords from what an impostor was sent.
    static let iterationsMin = 4096
    /// The most that are accepted: some seconds of computing. More would let a broker keep its clients busy.
    static let iterationsMax = 1_000_000

    /// The name by which clients ask for it.
    public var description: String {
        switch self {
        case .sha256: "SCRAM-SHA-256"
        case .sha512: "SCRAM-SHA-512"
        }
    }
}
