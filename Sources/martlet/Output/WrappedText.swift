// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Prose in lines.
enum WrappedText {
    /// Breaks a text at spaces, so that no line has more than `width` characters unless a single word has. Linear.
    static func lines(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for paragraph in text.split(separator: "\n", omittingEmptySubsequences: false) {
            var line = ""
            var count = 0
            for word in paragraph.split(separator: " ") {
                let length = word.count
                if count > 0, count + 1 + length > width {
                    lines.append(line)
                    (line, count) = ("", 0)
                }
                if count > 0 {
                    line += " "
                    count += 1
                }
                line += word
                count += length
            }
            lines.append(line)
        }
        return lines
    }
}
