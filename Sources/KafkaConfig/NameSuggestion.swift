// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Finds the name that a mistyped one was meant to be.
public enum NameSuggestion {
    /// Longer names are not compared: the work grows with the square of the length.
    public static let nameBytesMax = 100

    /// The candidate that the fewest edits turn `name` into, if a third of its length is enough for them.
    ///
    /// Upper and lower case, and what stands between words (`.`, `_`, `-`), are the same. Of equally near
    /// candidates the first. Cost: the product of the lengths, for each candidate.
    public static func nearest(to name: String, in candidates: some Sequence<String>) -> String? {
        let wanted = self.normalized(name)
        guard !wanted.isEmpty, wanted.count <= self.nameBytesMax else { return nil }
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let other = self.normalized(candidate)
            let limit = min(best.map { $0.distance - 1 } ?? .max, max(2, wanted.count / 3))
            guard abs(other.count - wanted.count) <= limit else { continue }
            let distance = self.distance(wanted, other)
            if distance <= limit { best = (candidate, distance) }
        }
        return best?.name
    }

    private static func normalized(_ name: String) -> [UInt8] {
        name.lowercased().utf8.map { $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") ? UInt8(ascii: ".") : $0 }
    }

    /// Levenshtein's distance: insertions, deletions and replacements, each counted as one.
    private static func distance(_ lhs: [UInt8], _ rhs: [UInt8]) -> Int {
        var row = Array(0...rhs.count)
        for (i, left) in lhs.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, right) in rhs.enumerated() {
                let substituted = diagonal + (left == right ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[rhs.count]
    }
}
