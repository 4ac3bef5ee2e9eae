// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Testing

@testable import martlet

@Suite struct LineSplitterTests {
    private func lines(_ text: String, pieces size: Int) throws -> [String] {
        var splitter = LineSplitter()
        var lines: [String] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            splitter.append(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
            while let line = try splitter.nextLine() { lines.append(String(buffer: line)) }
        }
        if let last = splitter.lastLine() { lines.append(String(buffer: last)) }
        return lines
    }

    @Test("lines come out whole however the input is cut", arguments: [1, 2, 3, 7, 100])
    func anyCut(size: Int) throws {
        #expect(try self.lines("one\n\ntwo three\nlast", pieces: size) == ["one", "", "two three", "last"])
        #expect(try self.lines("a\r\nb\n", pieces: size) == ["a\r", "b"])
        #expect(try self.lines("\n\n", pieces: size) == ["", ""])
        #expect(try self.lines("", pieces: size) == [])
    }
}
