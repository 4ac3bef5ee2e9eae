// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import martlet

@Suite struct TextTableTests {
    @Test("columns are as wide as their widest cell, and no line ends in spaces")
    func layout() {
        var table = TextTable([.init("NAME"), .init("COUNT", .right), .init("NOTE")])
        table.append(["orders", "7", "first"])
        table.append(["zahlungen-größer", "12345678", ""])
        table.append(["x", "1"])
        #expect(
            table.lines(indentation: "  ") == [
                "  NAME                 COUNT  NOTE",
                "  orders                   7  first",
                "  zahlungen-größer  12345678",
                "  x                        1",
            ])
    }

    @Test("a table without rows is its titles")
    func empty() { #expect(TextTable([.init("NAME"), .init("COUNT", .right)]).lines() == ["NAME  COUNT"]) }
}
