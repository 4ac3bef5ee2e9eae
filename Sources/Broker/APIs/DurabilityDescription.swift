// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What an answer to acks=all promises, in words for people: DescribeConfigs gives it as a config of every topic that
/// nobody can set, so that any client's tools show it.
struct DurabilityDescription {
    /// The name under which it stands among a topic's configs.
    static let configName = "martlet.acks.all"

    static let documentation = """
        What an answer to a produce with acks=all promises about this topic, in words. It follows from flush.messages \
        and flush.ms and cannot be set.
        """

    let durability: Durability

    var text: String {
        switch self.durability {
        case .everyCommit:
            return """
                synced: answered when the records are on stable storage; a power cut takes back nothing acknowledged
                """
        case .relaxed(let messages, let milliseconds):
            let syncs = [messages.map { "\($0) records" }, milliseconds.map { "\($0) ms" }].compactMap(\.self)
            let when = syncs.isEmpty ? "when the operating system likes" : "after " + syncs.joined(separator: " or ")
            return """
                buffered: answered when the operating system has the records, synced \(when); a power cut can take back \
                what was acknowledged before that; flush.messages=1 prevents it
                """
        }
    }
}
