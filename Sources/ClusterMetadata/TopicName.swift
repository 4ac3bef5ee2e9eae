// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The rules for names of topics.
public enum TopicName {
    /// The longest name in bytes: with a partition number it still fits a directory's name.
    public static let bytesMax = 249

    /// The topics that the cluster keeps for itself.
    public static let internalTopics: Set<String> = [consumerOffsets, transactionState, shareGroupState]
    /// Committed offsets and the state of consumer groups.
    public static let consumerOffsets = "__consumer_offsets"
    /// The state of transactions.
    public static let transactionState = "__transaction_state"
    /// The state of share groups (KIP-932).
    public static let shareGroupState = "__share_group_state"

    /// Checks that a topic may have the name: 1 to 249 of the characters a-z, A-Z, 0-9, `.`, `_` and `-`, and not
    /// `.` or `..`. Throws `invalidTopicName` with the reason.
    public static func validate(_ name: String) throws(MetadataError) {
        guard let reason = self.reasonToRefuse(name) else { return }
        throw MetadataError(.invalidTopicName, reason)
    }

    private static func reasonToRefuse(_ name: String) -> String? {
        if name.isEmpty { return "Topic name is invalid: it must not be empty" }
        if name == "." || name == ".." { return "Topic name is invalid: it must not be \(name)" }
        guard name.utf8.count <= self.bytesMax else {
            return """
                Topic name is invalid: it has \(name.utf8.count) bytes, at most \(self.bytesMax) are allowed: \
                \(name.prefix(self.bytesMax))
                """
        }
        guard name.utf8.allSatisfy(self.isAllowed) else {
            return "Topic name is invalid: \(name) has characters other than a-z, A-Z, 0-9, '.', '_' and '-'"
        }
        return nil
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default:
            false
        }
    }

    /// What two names have in common that collide: names of metrics cannot tell `.` from `_`.
    public static func collisionKey(_ name: String) -> String {
        String(decoding: name.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
    }
}
