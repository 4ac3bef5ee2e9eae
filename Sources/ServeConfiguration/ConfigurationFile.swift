// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// Reads a configuration file into a layer.
enum ConfigurationFile {
    /// The largest file that is read, in bytes: a configuration has a few kilobytes.
    static let bytesMax = 1 << 20
    /// The most configs that one file may set.
    static let settingsMax = 10_000

    static func read(_ path: String) throws(ServeConfigurationError) -> ConfigurationLayer {
        let text = try self.text(of: path)
        let lowercased = path.lowercased()
        if lowercased.hasSuffix(".yaml") || lowercased.hasSuffix(".yml") {
            return try YAMLFile.parse(text, path: path)
        }
        return try PropertiesFile.parse(text, path: path)
    }

    private static func text(of path: String) throws(ServeConfigurationError) -> String {
        let bytes: Data
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            bytes = try file.read(upToCount: self.bytesMax + 1) ?? Data()
        } catch {
            throw ServeConfigurationError(
                "The configuration file \(path) cannot be read: \(error.localizedDescription)", cause: error)
        }
        guard bytes.count <= self.bytesMax else {
            throw ServeConfigurationError("The configuration file \(path) is larger than \(self.bytesMax) bytes")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ServeConfigurationError("The configuration file \(path) is not UTF-8 text")
        }
        return text
    }

    static func checkCount(_ layer: ConfigurationLayer, path: String) throws(ServeConfigurationError) {
        guard layer.settings.count <= self.settingsMax else {
            throw ServeConfigurationError("\(path) sets more than \(self.settingsMax) configs")
        }
    }
}
