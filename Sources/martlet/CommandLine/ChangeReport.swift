// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaWire

/// What became of one topic or group that was to be changed.
struct ItemChange {
    var name: String
    /// What it is, where a command changes several kinds of things.
    var kind: String?
    /// One word: created, exists, deleted, missing, altered, failed.
    var outcome: String
    var details = ""
    var topicID: String?
    var error: KafkaClientError?

    /// What the deletion of one thing came to. The error code `tolerated` says that there was nothing to delete, which
    /// is as good.
    static func deletion(_ item: ItemResult<Void>, tolerated: ErrorCode?) -> ItemChange {
        switch item.result {
        case .success: ItemChange(name: item.name, outcome: "deleted")
        case .failure(let error) where tolerated != nil && error.errorCode == tolerated:
            ItemChange(name: item.name, outcome: "missing")
        case .failure(let error): ItemChange(name: item.name, outcome: "failed", error: error)
        }
    }

    var text: String { [self.kind, self.name].compactMap(\.self).filter { !$0.isEmpty }.joined(separator: " ") }
}

/// What became of several topics or groups: successes on the standard output, failures on the standard error.
struct ChangeReport {
    let changes: [ItemChange]

    init(_ changes: [ItemChange]) { self.changes = changes }

    /// Prints everything; throws the exit code when one failed.
    func print(_ format: OutputOptions) throws {
        try format.print(
            lines: { terminal in
                self.changes.filter { $0.error == nil }.map { change in
                    "\(change.text) \(terminal.styled(change.outcome, .good))"
                        + (change.details.isEmpty ? "" : ": \(change.details)")
                }
            },
            json: self.write)
        try self.changes.compactMap(\.error).leave(of: self.changes.count)
    }

    func write(to json: inout JSONWriter) {
        json.array { json in
            for change in self.changes {
                json.object { json in
                    json.name("name")
                    json.string(change.name)
                    if let kind = change.kind {
                        json.name("resource")
                        json.string(kind)
                    }
                    json.name("outcome")
                    json.string(change.outcome)
                    if let id = change.topicID {
                        json.name("id")
                        json.string(id)
                    }
                    if let error = change.error {
                        json.name("error")
                        json.string(error.errorCode?.name ?? "\(error.code)")
                        json.name("message")
                        json.string(error.message)
                    }
                }
            }
        }
    }
}
