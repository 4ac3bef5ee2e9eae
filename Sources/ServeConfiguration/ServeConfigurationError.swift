// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Why the broker's configuration cannot be used. The text names the file and line, the variable or the option.
public struct ServeConfigurationError: Error, Sendable, CustomStringConvertible {
    /// A whole sentence, fit to be the last thing that a process says.
    public let message: String
    /// The error below, if there is one.
    public let cause: (any Error)?

    /// An error with a message made to be shown.
    public init(_ message: String, cause: (any Error)? = nil) {
        self.message = message
        self.cause = cause
    }

    /// The message.
    public var description: String { self.message }
}
