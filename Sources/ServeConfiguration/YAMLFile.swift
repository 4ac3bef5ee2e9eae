// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Yams

/// A YAML file: the keys of nested mappings are joined with dots, sequences with commas.
///
///     log:
///       retention.ms: 60000
///       dirs: [/data/1, /data/2]
///
/// Keys may be nested, written with dots, or both. Keys without a value set nothing.
enum YAMLFile {
    /// How much of the parser's own message is repeated, in characters.
    static let reasonCharactersMax = 500

    /// Throws for text that is not YAML, and for what a config cannot be, with the line's number.
    static func parse(_ text: String, path: String) throws(ServeConfigurationError) -> ConfigurationLayer {
        let root: Node?
        do {
            root = try Parser(yaml: text).singleRoot()
        } catch {
            // Yams quotes the line at fault, however long it is.
            let reason = "\(error)".prefix(self.reasonCharactersMax)
            throw ServeConfigurationError("\(path) is not YAML: \(reason)", cause: error)
        }
        var flattener = Flattener(path: path)
        guard let root, !root.isNull else { return flattener.layer }
        guard case .mapping = root else {
            throw ServeConfigurationError("\(path) must have names and values at its top")
        }
        try flattener.add(root, name: [])
        return flattener.layer
    }

    private struct Flattener {
        let path: String
        var layer: ConfigurationLayer
        /// Aliases make it possible to write very many nodes in few bytes.
        private var nodesLeft = ConfigurationFile.settingsMax

        init(path: String) {
            self.path = path
            self.layer = ConfigurationLayer(name: path)
        }

        mutating func add(_ node: Node, name: [String]) throws(ServeConfigurationError) {
            self.nodesLeft -= 1
            guard self.nodesLeft >= 0 else {
                throw ServeConfigurationError("\(self.path) has more than \(ConfigurationFile.settingsMax) nodes")
            }
            switch node {
            case .mapping(let mapping):
                for (key, value) in mapping {
                    guard case .scalar(let scalar) = key, !scalar.string.isEmpty else {
                        throw ServeConfigurationError("A name that is not a text at \(self.place(key))")
                    }
                    try self.add(value, name: name + [scalar.string])
                }
            case .sequence(let sequence):
                var items: [String] = []
                for item in sequence {
                    guard case .scalar(let scalar) = item else {
                        throw ServeConfigurationError(
                            "\(name.joined(separator: ".")) has an item that is not a value at \(self.place(item))")
                    }
                    items.append(scalar.string)
                }
                try self.set(name, items.joined(separator: ","), node)
            case .scalar(let scalar):
                if !node.isNull { try self.set(name, scalar.string, node) }
            case .alias:
                throw ServeConfigurationError("An alias that stands for nothing at \(self.place(node))")
            }
        }

        private mutating func set(_ name: [String], _ value: String, _ node: Node) throws(ServeConfigurationError) {
            let setting = ConfigurationSetting(value: value, origin: self.place(node))
            let joined = name.joined(separator: ".")
            if let earlier = self.layer.settings.updateValue(setting, forKey: joined) {
                throw ServeConfigurationError("\(joined) is set twice: in \(earlier.origin) and \(setting.origin)")
            }
        }

        private func place(_ node: Node) -> ConfigurationOrigin {
            .file(path: self.path, line: node.mark?.line ?? 1)
        }
    }
}

extension Node {
    /// A value left out, or `null` or `~` without quotes.
    fileprivate var isNull: Bool {
        guard case .scalar(let scalar) = self, scalar.style == .plain || scalar.style == .any else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }
}
