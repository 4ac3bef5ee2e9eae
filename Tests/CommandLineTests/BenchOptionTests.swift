// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import Testing

@testable import martlet

@Suite struct BenchOptionTests {
    @Test("admin ports come from several options and from lists, each once")
    func admin() throws {
        let arguments = ["bench", "mixed", "--admin", "a,http://b:1/", "--admin", "a:9644", "--admin=[::1]:2"]
        let command = try #require(try Martlet.parseAsRoot(arguments) as? BenchBothCommand<BenchMixed>)
        #expect(try command.admin.addresses().map { "\($0)" } == ["a:9644", "b:1", "[::1]:2"])
        #expect(throws: (any Error).self) { try Martlet.parseAsRoot(["bench", "mixed", "--admin", "a,"]) }
        let many = (0...100).map { "h\($0)" }.joined(separator: ",")
        #expect(throws: (any Error).self) { try Martlet.parseAsRoot(["bench", "run", "f", "--admin", many]) }
        let none = try #require(try Martlet.parseAsRoot(["bench", "produce"]) as? BenchProduceCommand)
        #expect(try none.admin.addresses().isEmpty)
    }
}
