// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Broker configs as they were set, in layers: the strongest layer that has a name decides.
///
/// Holds only known names with validated, trimmed values.
struct ConfigLayers: Sendable, Hashable {
    /// Command line, environment and file.
    var staticBroker: [String: String] = [:]
    /// Set at run time for all brokers.
    var dynamicDefault: [String: String] = [:]
    /// Set at run time for this broker.
    var dynamicBroker: [String: String] = [:]

    /// Strongest first.
    static let order: [ConfigSource] = [.dynamicBroker, .dynamicDefaultBroker, .staticBroker]

    subscript(_ source: ConfigSource) -> [String: String] {
        switch source {
        case .dynamicBroker: self.dynamicBroker
        case .dynamicDefaultBroker: self.dynamicDefault
        case .staticBroker: self.staticBroker
        case .dynamicTopic, .dynamicGroup, .defaultConfig: [:]
        }
    }

    /// What was set under any of the names, strongest first: layers in their order, within one the names in theirs.
    func settings(of names: [String]) -> [(name: String, value: String, source: ConfigSource)] {
        Self.order.flatMap { source in
            names.compactMap { name in self[source][name].map { (name, $0, source) } }
        }
    }

    /// The value that counts for a broker config of this very name, nil if nobody set it.
    func value(_ name: String) -> String? {
        self.dynamicBroker[name] ?? self.dynamicDefault[name] ?? self.staticBroker[name]
    }

    /// A topic's or group's config as the broker sets it, in that config's unit; nil if no synonym is set.
    func inherited(_ definition: ConfigDefinition) -> String? {
        for source in Self.order {
            let layer = self[source]
            for synonym in definition.synonyms {
                guard let text = layer[synonym.name] else { continue }
                guard synonym.scale != 1 else { return text }
                // Hours and minutes are 32-bit, so the product fits. Any negative number of them is "for ever".
                let number = Int64(text) ?? -1
                return String(number < 0 ? -1 : number.multipliedReportingOverflow(by: synonym.scale).partialValue)
            }
        }
        return nil
    }
}
