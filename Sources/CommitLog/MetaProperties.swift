// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// The file `meta.properties` of a data directory: whose it is. Version 1 of Kafka's form.
public struct MetaProperties: Sendable, Hashable {
    static let fileName = "meta.properties"

    /// The cluster that the data belongs to.
    public var clusterID: String
    /// The broker that the data belongs to.
    public var nodeID: NodeID
    /// The identity of the directory itself (KIP-858); nil in directories of older brokers.
    public var directoryID: UUID128?

    /// What a new data directory is marked with.
    public init(clusterID: String, nodeID: NodeID, directoryID: UUID128?) {
        self.clusterID = clusterID
        self.nodeID = nodeID
        self.directoryID = directoryID
    }

    /// Reads the file of a data directory; nil when there is none. Throws `malformed`, or `storage` when it cannot be
    /// read.
    public static func read(
        in directory: String, from fileSystem: any FileSystem
    ) throws(LogError) -> MetaProperties? {
        let path = directory + "/" + self.fileName
        guard let text = try SmallFile.readText(path, from: fileSystem) else { return nil }
        return try self.parse(text, path: path)
    }

    static func parse(_ text: String, path: String) throws(LogError) -> MetaProperties {
        let values = KeyValueLines.parse(text, separator: "=")
        guard values["version"] == "1" else {
            throw .malformed(path: path, reason: "its version is \(values["version"] ?? "missing") instead of 1")
        }
        guard let clusterID = values["cluster.id"], !clusterID.isEmpty else {
            throw .malformed(path: path, reason: "cluster.id is missing")
        }
        guard let node = values["node.id"].flatMap({ Int32($0) }), node >= 0 else {
            throw .malformed(path: path, reason: "node.id is missing or no number")
        }
        var directoryID: UUID128?
        if let value = values["directory.id"] {
            guard let id = UUID128(base64: value) else {
                throw .malformed(path: path, reason: "directory.id is no id: \(value.prefix(40))")
            }
            directoryID = id
        }
        return MetaProperties(clusterID: clusterID, nodeID: NodeID(node), directoryID: directoryID)
    }

    var text: String {
        var text = "version=1\ncluster.id=\(self.clusterID)\nnode.id=\(self.nodeID)\n"
        if let directoryID { text += "directory.id=\(directoryID)\n" }
        return text
    }
}

/// The file `partition.metadata` of a partition's directory: which topic of that name it belongs to (KIP-516).
enum PartitionMetadataFile {
    static let name = "partition.metadata"

    static func parse(_ text: String, path: String) throws(LogError) -> TopicID {
        let values = KeyValueLines.parse(text, separator: ":")
        guard values["version"] == "0" else {
            throw .malformed(path: path, reason: "its version is \(values["version"] ?? "missing") instead of 0")
        }
        guard let id = values["topic_id"].flatMap({ TopicID(base64: $0) }) else {
            throw .malformed(path: path, reason: "topic_id is missing or no id")
        }
        return id
    }

    static func text(_ topicID: TopicID) -> String { "version: 0\ntopic_id: \(topicID)" }
}

/// Lines of a name and a value; blank lines and lines that begin with `#` do not count, later ones win.
private enum KeyValueLines {
    static func parse(_ text: String, separator: Character) -> [String: String] {
        var values: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
            let parts = line.split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            values[self.trimmed(parts[0])] = self.trimmed(parts[1])
        }
        return values
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text.drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
