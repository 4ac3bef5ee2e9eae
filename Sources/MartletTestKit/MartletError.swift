// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Why a broker of a test cannot do what was asked of it.
public struct MartletError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of error it is.
    public enum Code: Sendable, Hashable {
        /// A config or a topic of the ``MartletConfiguration`` is not allowed.
        case invalidConfiguration
        /// The broker is not running, or it is already; see ``Martlet/kill()`` and ``Martlet/start()``.
        case wrongState
        /// There is no such topic, partition, group or node.
        case notFound
        /// The kit cannot do that.
        case notSupported
        /// The operating system refused something.
        case system
    }

    /// What kind of error it is.
    public var code: Code
    /// What happened, and what to do.
    public var message: String

    /// An error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { self.message }
}
