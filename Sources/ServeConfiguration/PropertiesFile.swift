// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A file in the format of Java's properties: `key=value`, `key: value` or `key value`, one to a line.
///
/// Lines that begin with `#` or `!` are comments. A backslash at the end of a line goes on with the next one; elsewhere
/// it takes the meaning off the character behind it, or is `\t`, `\n`, `\r`, `\f` or `\uXXXX`. The text is UTF-8.
enum PropertiesFile {
    /// Throws with the line's number for an escape that is none.
    static func parse(_ text: String, path: String) throws(ServeConfigurationError) -> ConfigurationLayer {
        var layer = ConfigurationLayer(name: path)
        for line in self.logicalLines(Array(text.utf8)) {
            let place = ConfigurationOrigin.file(path: path, line: line.number)
            let (key, value) = self.split(line.bytes)
            let name = try self.unescaped(key, place)
            let setting = ConfigurationSetting(value: try self.unescaped(value, place), origin: place)
            if let earlier = layer.settings.updateValue(setting, forKey: name) {
                layer.warnings.append("Configuration \(name) is set twice: \(place) counts, not \(earlier.origin)")
            }
            try ConfigurationFile.checkCount(layer, path: path)
        }
        return layer
    }

    private struct Line {
        /// The number of its first line in the file, from 1.
        let number: Int
        var bytes: [UInt8]
    }

    private static let backslash = UInt8(ascii: "\\")
    private static let blanks: Set<UInt8> = [UInt8(ascii: " "), UInt8(ascii: "\t"), 0x0c]

    /// The lines that set something, those that go on put together, without the blanks they begin with.
    private static func logicalLines(_ bytes: [UInt8]) -> [Line] {
        var lines: [Line] = []
        var continues = false
        for (index, natural) in self.naturalLines(bytes).enumerated() {
            var text = natural.drop { self.blanks.contains($0) }
            if !continues, text.isEmpty || text.first == UInt8(ascii: "#") || text.first == UInt8(ascii: "!") {
                continue
            }
            let escapes = text.reversed().prefix { $0 == self.backslash }.count
            let goesOn = escapes % 2 == 1
            if goesOn { text = text.dropLast() }
            if continues {
                lines[lines.count - 1].bytes += text
            } else {
                lines.append(Line(number: index + 1, bytes: Array(text)))
            }
            continues = goesOn
        }
        // A lone backslash leaves a line without anything.
        return lines.filter { !$0.bytes.isEmpty }
    }

    private static func naturalLines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        let (newline, carriageReturn) = (UInt8(ascii: "\n"), UInt8(ascii: "\r"))
        var lines: [ArraySlice<UInt8>] = []
        var start = 0
        for (index, byte) in bytes.enumerated() where byte == newline || byte == carriageReturn {
            if byte == newline, index > 0, bytes[index - 1] == carriageReturn {
                start = index + 1
                continue
            }
            lines.append(bytes[start..<index])
            start = index + 1
        }
        lines.append(bytes[start...])
        return lines
    }

    /// Key and value, still escaped. The key ends at the first `=`, `:` or blank that no backslash stands before.
    private static func split(_ line: [UInt8]) -> (key: ArraySlice<UInt8>, value: ArraySlice<UInt8>) {
        let separators: Set<UInt8> = [UInt8(ascii: "="), UInt8(ascii: ":")]
        var end = 0
        while end < line.count, !separators.contains(line[end]), !self.blanks.contains(line[end]) {
            end += line[end] == self.backslash ? 2 : 1
        }
        end = min(end, line.count)
        var value = line[end...].drop { self.blanks.contains($0) }
        if let first = value.first, separators.contains(first) {
            value = value.dropFirst().drop { self.blanks.contains($0) }
        }
        return (line[..<end], value)
    }

    private static func unescaped(
        _ bytes: ArraySlice<UInt8>, _ place: ConfigurationOrigin
    ) throws(ServeConfigurationError) -> String {
        guard bytes.contains(self.backslash) else { return String(decoding: bytes, as: UTF8.self) }
        // UTF-16, as two escapes may be the two halves of one character.
        var units: [UInt16] = []
        var rest = bytes
        while let byte = rest.first {
            guard byte == self.backslash else {
                let plain = rest.prefix { $0 != self.backslash }
                units += String(decoding: plain, as: UTF8.self).utf16
                rest = rest.dropFirst(plain.count)
                continue
            }
            rest = rest.dropFirst()
            guard let escaped = rest.first else { break }
            switch escaped {
            case UInt8(ascii: "u"):
                let digits = rest.dropFirst().prefix(4)
                guard digits.count == 4, digits.allSatisfy(self.isHexDigit),
                    let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
                else {
                    throw ServeConfigurationError("Four hexadecimal digits must follow \\u in \(place)")
                }
                units.append(unit)
                rest = rest.dropFirst(5)
                continue
            case UInt8(ascii: "t"): units.append(0x09)
            case UInt8(ascii: "n"): units.append(0x0a)
            case UInt8(ascii: "r"): units.append(0x0d)
            case UInt8(ascii: "f"): units.append(0x0c)
            case 0..<0x80: units.append(UInt16(escaped))
            // The character behind the backslash has several bytes: they follow as plain text.
            default: continue
            }
            rest = rest.dropFirst()
        }
        guard let text = String(validating: units, as: UTF16.self) else {
            throw ServeConfigurationError("A \\u escape is half a character in \(place)")
        }
        return text
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }
}
