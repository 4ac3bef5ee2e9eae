// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Why a config was refused. `message` is made to be shown to whoever set it.
public struct ConfigError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of refusal it is. An open set: new kinds may come.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// For logs and tests.
        public let description: String

        /// There is no config of that name.
        public static let unknownName = Code(description: "unknownName")
        /// The value is of the wrong type, out of range, or not one of those allowed.
        public static let invalidValue = Code(description: "invalidValue")
        /// The config changes only with a restart of the broker.
        public static let readOnly = Code(description: "readOnly")
        /// Append and subtract are for configs that are lists.
        public static let notAList = Code(description: "notAList")
        /// Two values that are right by themselves do not go together.
        public static let conflict = Code(description: "conflict")
        /// The same config is named twice in one request.
        public static let duplicate = Code(description: "duplicate")
    }

    /// What kind of refusal it is.
    public let code: Code
    /// The config at fault.
    public let name: String
    /// A whole sentence without a full stop, with the name, the value and what would be right.
    public let message: String

    /// A refusal with a message made to be shown.
    public init(_ code: Code, name: String, message: String) {
        self.code = code
        self.name = name
        self.message = message
    }

    static func invalid(_ value: String?, for name: String, _ reason: String) -> ConfigError {
        ConfigError(
            .invalidValue,
            name: name,
            message: "Invalid value \(value.map(clipped) ?? "null") for configuration \(name): \(reason)"
        )
    }

    /// Messages travel in answers and logs: a hostile value must not make them huge.
    private static func clipped(_ value: String) -> String {
        value.count <= Self.valueCharactersMax ? value : value.prefix(Self.valueCharactersMax) + "…"
    }

    /// How much of a refused value a message repeats, in characters.
    static let valueCharactersMax = 200

    /// For logs and tests.
    public var description: String { self.message }
}
