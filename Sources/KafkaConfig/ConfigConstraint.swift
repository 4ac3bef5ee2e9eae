// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What a config's value must satisfy beyond its type.
public enum ConfigConstraint: Sendable, Hashable {
    case none
    /// A whole number, this or larger.
    case atLeast(Int64)
    /// A whole number from the first to the second.
    case between(Int64, Int64)
    /// A whole number from the first to the second, or -1 for the codec's own choice.
    case betweenOrDefault(Int64, Int64)
    /// A number from 0 to 1.
    case ratio
    /// One of these, exactly as written here.
    case oneOf([String])
    /// One of these in upper or lower case.
    case oneOfIgnoringCase([String])
    /// A list of some of these, none of them twice.
    case listOf([String])
    /// A list of at least one of these, none of them twice.
    case nonEmptyListOf([String])
    /// A list of at least one item.
    case nonEmptyList
    /// Text that is not blank.
    case nonEmpty
    /// Only this value is supported; the text says why.
    case only(String, because: String)
}

extension ConfigDefinition {
    /// Checks type and constraint of a value as an operator wrote it.
    ///
    /// Throws ``ConfigError`` with code `invalidValue`, its text beginning as Kafka's does.
    public func validate(_ value: String) throws(ConfigError) {
        let text = ConfigText.trimmed(value)
        switch self.type {
        case .boolean: _ = try ConfigText.boolean(text, for: self.name)
        case .int: _ = try ConfigText.integer(text, as: Int32.self, for: self.name)
        case .short: _ = try ConfigText.integer(text, as: Int16.self, for: self.name)
        case .long: _ = try ConfigText.integer(text, as: Int64.self, for: self.name)
        case .double: _ = try ConfigText.double(text, for: self.name)
        case .string, .list, .class, .password: break
        }
        if let reason = self.constraint.reasonToRefuse(text) {
            throw .invalid(value, for: self.name, reason)
        }
    }
}

extension ConfigConstraint {
    /// Why a trimmed value of the right type breaks the constraint; nil if it does not.
    func reasonToRefuse(_ text: String) -> String? {
        switch self {
        case .none:
            return nil
        case .atLeast(let least):
            return (Int64(text) ?? .min) >= least ? nil : "the value must be at least \(least)"
        case .between(let least, let most):
            return (least...most).contains(Int64(text) ?? .min) ? nil : "the value must be from \(least) to \(most)"
        case .betweenOrDefault(let least, let most):
            let number = Int64(text) ?? .min
            return number == -1 || (least...most).contains(number)
                ? nil : "the value must be from \(least) to \(most), or -1 for the codec's default"
        case .ratio:
            return (0.0...1.0).contains(Double(text) ?? -1) ? nil : "the value must be from 0 to 1"
        case .oneOf(let allowed):
            return allowed.contains(text) ? nil : "the value must be one of: \(allowed.joined(separator: ", "))"
        case .oneOfIgnoringCase(let allowed):
            return allowed.contains(text.lowercased())
                ? nil : "the value must be one of: \(allowed.joined(separator: ", "))"
        case .listOf(let allowed):
            return Self.reasonToRefuse(items: ConfigText.list(text), allowed: allowed)
        case .nonEmptyListOf(let allowed):
            return Self.nonEmptyList.reasonToRefuse(text) ?? Self.listOf(allowed).reasonToRefuse(text)
        case .nonEmptyList:
            return ConfigText.list(text).isEmpty ? "the list must have at least one item" : nil
        case .nonEmpty:
            return text.isEmpty ? "the value must not be empty" : nil
        case .only(let value, let reason):
            return text.lowercased() == value ? nil : reason
        }
    }

    private static func reasonToRefuse(items: [String], allowed: [String]) -> String? {
        for (index, item) in items.enumerated() {
            if !allowed.contains(item) { return "each item must be one of: \(allowed.joined(separator: ", "))" }
            if items[..<index].contains(item) { return "\(item) is listed twice" }
        }
        return nil
    }
}

/// Config values as text: how each type is read. Kafka ignores blanks around a value, and so does this.
enum ConfigText {
    static func trimmed(_ text: some StringProtocol) -> String {
        let isBlank: (Character) -> Bool = { $0.isWhitespace }
        guard let first = text.firstIndex(where: { !isBlank($0) }),
            let last = text.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return String(text[first...last])
    }

    static func boolean(_ text: String, for name: String) throws(ConfigError) -> Bool {
        switch text.lowercased() {
        case "true": return true
        case "false": return false
        default: throw .invalid(text, for: name, "expected true or false (type BOOLEAN)")
        }
    }

    static func integer<T: FixedWidthInteger>(
        _ text: String, as type: T.Type, for name: String
    ) throws(ConfigError) -> T {
        if let number = T(text) { return number }
        let kind = T.bitWidth == 64 ? ConfigType.long : T.bitWidth == 32 ? .int : .short
        throw .invalid(text, for: name, "not a whole number of \(T.bitWidth) bits (type \(kind.name))")
    }

    static func double(_ text: String, for name: String) throws(ConfigError) -> Double {
        guard let number = Double(text), number.isFinite else {
            throw .invalid(text, for: name, "not a number (type DOUBLE)")
        }
        return number
    }

    /// The items in their order, blanks around them cut off; items that are empty do not count.
    static func list(_ text: String) -> [String] {
        text.split(separator: ",").map { trimmed($0) }.filter { !$0.isEmpty }
    }
}
