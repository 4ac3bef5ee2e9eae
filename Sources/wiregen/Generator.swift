// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// Reads the schemas of a package and makes the files that belong to them.
struct Generator {
    /// The folder of Package.swift.
    let root: URL

    static let schemas = "Sources/KafkaMessages/Schemas"
    /// Folders whose every file is generated.
    static let outputFolders = [
        "Sources/KafkaMessages/Generated", "Sources/KafkaWire/Generated", "Tests/KafkaMessagesTests/Generated",
    ]

    /// The text of each generated file by its path below the root.
    func files() throws -> [String: String] {
        let schema = try self.schema()
        var files: [String: String] = [:]
        for message in schema.messages {
            files["Sources/KafkaMessages/Generated/\(message.name).swift"] = MessageEmitter(message).emit()
        }
        let tables = TableEmitter(schema: schema)
        files["Sources/KafkaWire/Generated/APIKey+Names.swift"] = tables.emitAPIKeys()
        files["Sources/KafkaWire/Generated/ErrorCode+Names.swift"] = tables.emitErrorCodes()
        files["Sources/KafkaMessages/Generated/APISchema+All.swift"] = tables.emitAPISchemas()
        files["Sources/KafkaMessages/Generated/FirstFlexibleVersion.swift"] = tables.emitHeaderVersions()
        files["Tests/KafkaMessagesTests/Generated/MessageTable.swift"] = tables.emitTestTable()
        return files
    }

    func schema() throws -> Schema {
        var schema = Schema()
        for folder in ["messages", "records"] {
            let directory = self.root.appendingPathComponent("\(Self.schemas)/\(folder)")
            let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
            for name in names.filter({ $0.hasSuffix(".kmsg") }).sorted() {
                let text = try String(contentsOf: directory.appendingPathComponent(name), encoding: .utf8)
                var parser = try SchemaParser(text: text, file: "\(folder)/\(name)", folder: folder)
                switch try parser.parse() {
                case .api(let api): schema.apis.append(api)
                case .data(let message): schema.data.append(message)
                }
            }
        }
        schema.apis.sort { $0.key < $1.key }
        let names = schema.messages.map(\.name)
        guard Set(names).count == names.count, Set(schema.apis.map(\.key)).count == schema.apis.count else {
            throw SchemaError(place: Self.schemas, message: "two messages have one name, or two APIs one key")
        }
        schema.errors = try self.errors()
        return schema
    }

    /// `errors.tsv`: code, name, whether a client may retry, what it means in our words.
    private func errors() throws -> [ErrorEntry] {
        let path = "\(Self.schemas)/errors.tsv"
        let text = try String(contentsOf: self.root.appendingPathComponent(path), encoding: .utf8)
        return try text.split(separator: "\n").enumerated().dropFirst().map { index, line in
            let columns = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard columns.count >= 3, let code = Int(columns[0]), let isRetriable = Bool(String(columns[2])) else {
                throw SchemaError(place: "\(path):\(index + 1)", message: "expected code, name, retriable, summary")
            }
            let summary = columns.count > 3 ? String(columns[3]) : ""
            return ErrorEntry(code: code, name: String(columns[1]), isRetriable: isRetriable, summary: summary)
        }
    }

    /// The generated files on disk that are not what `files` says, in order: changed, missing or left over.
    func staleFiles() throws -> [String] {
        let files = try self.files()
        var stale = files.filter { path, text in
            let onDisk = try? String(contentsOf: self.root.appendingPathComponent(path), encoding: .utf8)
            return onDisk != text
        }.map(\.key)
        stale += self.filesOnDisk().filter { files[$0] == nil }
        return stale.sorted()
    }

    private func filesOnDisk() -> [String] {
        Self.outputFolders.flatMap { folder in
            let path = self.root.appendingPathComponent(folder).path
            return ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).map { "\(folder)/\($0)" }
        }
    }

    /// Brings the files on disk up to date; returns those that were not. Files that are current are not touched.
    func write() throws -> [String] {
        let files = try self.files()
        let stale = try self.staleFiles()
        for folder in Self.outputFolders {
            let directory = self.root.appendingPathComponent(folder)
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        }
        for path in stale {
            let file = self.root.appendingPathComponent(path)
            if let text = files[path] {
                try text.write(to: file, atomically: true, encoding: .utf8)
            } else {
                try FileManager.default.removeItem(at: file)
            }
        }
        return stale
    }
}
