// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Where a config was set.
public enum ConfigurationOrigin: Sendable, Hashable, CustomStringConvertible {
    /// An option of the command.
    case commandLine
    /// An environment variable, by its name.
    case environment(variable: String)
    /// A line of a file, counted from 1.
    case file(path: String, line: Int)
    /// Nobody: the process chose it by the memory, processors and files that it may use.
    case machine

    /// `line 3 of server.properties`, to stand behind "set in".
    public var description: String {
        switch self {
        case .commandLine: "the command line"
        case .environment(let variable): "the environment variable \(variable)"
        case .file(let path, let line): "line \(line) of \(path)"
        case .machine: "the limits of this machine"
        }
    }
}

/// A value as somebody wrote it, and where.
struct ConfigurationSetting: Sendable, Hashable {
    let value: String
    let origin: ConfigurationOrigin
}

/// What one source sets, by Kafka's names.
struct ConfigurationLayer: Sendable {
    /// What the provider of this layer is called.
    let name: String
    var settings: [String: ConfigurationSetting] = [:]
    /// What is odd though it can be used.
    var warnings: [String] = []
    /// What sets no config, by design.
    var passedOver: [String] = []
}
