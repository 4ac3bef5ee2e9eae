// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import Testing

@testable import martlet

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite struct ContextTests {
    private static let prod = Context(
        name: "prod", bootstrap: "k1:9093,k2:9093",
        security: SecuritySettings(
            usesTLS: true, tlsCA: "/etc/ca.pem", tlsCertificate: "/c.pem", tlsKey: "/k.pem", tlsServerName: "kafka",
            sasl: .scramSHA512, user: "alice", password: .stored("wonder\"land")))

    private static var book: ContextBook {
        var book = ContextBook()
        book.put(Context(name: "local", bootstrap: "localhost"))
        book.put(Self.prod)
        return book
    }

    private func resolve(
        bootstrap: String? = nil, context: String? = nil, options: SecuritySettings = SecuritySettings(),
        _ environment: [String: String] = [:]
    ) throws -> ConnectionTarget {
        try ConnectionTarget.resolve(
            bootstrap: bootstrap, context: context, options: options, environment: { environment[$0] },
            book: { Self.book })
    }

    // MARK: Which one holds

    @Test("the address comes from the option, a named context, the environment, the current context, the default")
    func precedence() throws {
        let variable = [ConnectionOptions.environmentVariable: "env:1"]
        #expect(try self.resolve(bootstrap: "opt:2", context: "prod", variable).origin == .option)
        #expect(try self.resolve(context: "prod", variable).origin == .context("prod"))
        let both = variable.merging([ConnectionTarget.contextVariable: "prod"]) { first, _ in first }
        #expect(try self.resolve(both).origin == .environment)
        #expect(try self.resolve([ConnectionTarget.contextVariable: "prod"]).origin == .context("prod"))
        #expect(try self.resolve(variable).addresses == [BrokerAddress(host: "env", port: 1)])
        #expect(try self.resolve().origin == .context("local"))
        let none = try ConnectionTarget.resolve(
            bootstrap: nil, context: nil, options: SecuritySettings(), environment: { _ in nil },
            book: { ContextBook() })
        #expect(none.addresses == [BrokerAddress(host: "localhost", port: 9092)])
        #expect(none.origin == .fallback)
    }

    @Test("options replace what a named context says, and the rest of it holds")
    func merging() throws {
        let options = SecuritySettings(user: "bob", password: .environment("PW"))
        let target = try self.resolve(bootstrap: "elsewhere:1", context: "prod", options: options, ["PW": "pw"])
        #expect(target.addresses == [BrokerAddress(host: "elsewhere", port: 1)])
        #expect(target.security.description == "SASL_SSL SCRAM-SHA-512 as bob")
        #expect(target.security.tls?.trustRoots == .only(.file("/etc/ca.pem")))
        #expect(target.security.tls?.serverName == "kafka")
        let fromEnvironment = try self.resolve(context: "prod", [SecurityOptions.userVariable: "carol"])
        #expect(fromEnvironment.security.description == "SASL_SSL SCRAM-SHA-512 as carol")
    }

    @Test("the login of the current context goes to no other address")
    func noLeak() throws {
        var book = Self.book
        _ = book.use("prod")
        for (bootstrap, environment) in [("other:1", [:]), (nil, [ConnectionOptions.environmentVariable: "other:1"])] {
            let target = try ConnectionTarget.resolve(
                bootstrap: bootstrap, context: nil, options: SecuritySettings(), environment: { environment[$0] },
                book: { [book] in book })
            #expect(target.security.description == "PLAINTEXT")
        }
    }

    @Test("a context that does not exist ends with 5, an address that is none with 64")
    func failures() {
        func status(_ body: () throws -> ConnectionTarget) -> martlet.ExitStatus? {
            do {
                _ = try body()
                return nil
            } catch { return (error as? CommandFailure)?.status }
        }
        #expect(status { try self.resolve(context: "nope") } == .notFound)
        #expect(status { try self.resolve([ConnectionTarget.contextVariable: "nope"]) } == .notFound)
        #expect(status { try self.resolve([ConnectionOptions.environmentVariable: "host:port"]) } == .usage)
        let login = SecuritySettings(sasl: .plain)
        #expect(status { try self.resolve(options: login) } == .usage)
        #expect(status { try self.resolve(options: login, [SecurityOptions.userVariable: "u"]) } == .usage)
        let file = SecuritySettings(sasl: .plain, user: "u", password: .file("/nonexistent/password"))
        #expect(status { try self.resolve(options: file) } == .notFound)
    }

    // MARK: The book

    @Test("the first context becomes the current one, and none is when it is removed")
    func current() {
        var book = Self.book
        #expect(book.current == "local")
        let unknown = (book.use("nope"), book.remove("nope"))
        #expect(unknown == (false, false))
        let known = (book.use("prod"), book.remove("prod"))
        #expect(known == (true, true))
        #expect(book.current == nil)
        #expect(book.contexts.map(\.name) == ["local"])
        // One that comes later does not become current by itself.
        book.put(Self.prod)
        #expect(book.current == nil)
    }

    @Test("everything comes back from the file as it was")
    func roundTrip() throws {
        for current in ["local", "prod", nil] {
            var book = Self.book
            _ = book.use(current)
            #expect(try ContextBook(json: book.json) == book)
        }
        for password in [SecuritySettings.Password.file("/a b"), .environment("X"), .stored("ü\n")] {
            var book = Self.book
            var context = Self.prod
            context.security.password = password
            book.put(context)
            #expect(try ContextBook(json: book.json)["prod"]?.security.password == password)
        }
    }

    @Test(
        "a damaged file is an error and never half a book",
        arguments: [
            "", "{", "[]", "null", #"{"current":"a","contexts":{}}"#, #"{"contexts":{"a":{}}}"#,
            #"{"contexts":{"a":{"bootstrap":"x:y"}}}"#, #"{"contexts":{"a b":{"bootstrap":"x"}}}"#,
            #"{"contexts":{"a":{"bootstrap":"x"},"a":{"bootstrap":"y"}}}"#,
            #"{"contexts":{"a":{"bootstrap":"x","tlsVerify":false}}}"#,
            #"{"contexts":{"a":{"bootstrap":"x","tls":"yes"}}}"#,
            #"{"contexts":{"a":{"bootstrap":"x","sasl":"gssapi"}}}"#, #"{"contexts":{}} x"#, #"{"other":1}"#,
        ])
    func damaged(text: String) {
        #expect(throws: JSONReader.Malformed.self) { try ContextBook(json: text) }
    }

    @Test("every part of a file that is cut off is an error")
    func cutOff() {
        let text = Self.book.json
        for length in 1..<text.utf8.count - 1 {
            #expect(throws: JSONReader.Malformed.self) { try ContextBook(json: String(text.prefix(length))) }
        }
    }

    @Test("a name is of letters, digits, dots, underscores and dashes")
    func names() {
        for name in ["a", "prod-eu.1", "_", String(repeating: "x", count: 100)] { #expect(Context.isName(name)) }
        for name in ["", "-a", "a b", "ä", "a/b", "a\n", String(repeating: "x", count: 101)] {
            #expect(!Context.isName(name))
        }
    }

    // MARK: The file

    @Test("the file lies where the environment says")
    func place() {
        func path(_ environment: [String: String]) -> String? { ContextFile { environment[$0] }?.file.path }
        #expect(path(["HOME": "/h"]) == "/h/.config/martlet/contexts.json")
        #expect(path(["HOME": "/h", "XDG_CONFIG_HOME": "/x"]) == "/x/martlet/contexts.json")
        #expect(path(["HOME": "/h", "XDG_CONFIG_HOME": "relative"]) == "/h/.config/martlet/contexts.json")
        #expect(path([:]) == nil)
    }

    @Test("it is made with its directories for the owner alone, replaced as a whole, and warned about when it is open")
    func saving() throws {
        var template = Array("/tmp/martlet-contexts-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { system("rm -r '\(folder)'") }
        let file = try #require(ContextFile { $0 == "XDG_CONFIG_HOME" ? folder + "/a/b" : nil })
        #expect(try file.load() == ContextBook())
        try file.save(Self.book)
        #expect(try file.load() == Self.book)
        var status = stat()
        #expect(stat(file.file.path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(file.warnings(about: Self.book) == [])
        chmod(file.file.path, 0o644)
        #expect(file.warnings(about: Self.book).count == 1)
        #expect(file.warnings(about: ContextBook()) == [])
        // A symbolic link stays one.
        let link = SmallFile(folder + "/link.json")
        #expect(symlink(file.file.path, link.path) == 0)
        try link.replace(with: "{}")
        #expect(lstat(link.path, &status) == 0)
        #expect(status.st_mode & S_IFMT == S_IFLNK)
        #expect(try file.file.text() == "{}")
        try file.file.replace(with: "nonsense")
        #expect { try file.load() } throws: { error in
            (error as? CommandFailure)?.message.contains(file.file.path) == true
                && (error as? CommandFailure)?.status == .usage
        }
    }

    @Test("passwords are in no table and no JSON")
    func secrecy() {
        let table = ContextListCommand.table(of: Self.book, isWide: true).lines().joined(separator: "\n")
        let page = ContextShowCommand.lines(of: Self.prod, isCurrent: true, terminal: .plain).joined(separator: "\n")
        var json = JSONWriter()
        Self.prod.describe(to: &json, isCurrent: true)
        for text in [table, page, json.text] {
            #expect(text.contains("alice"))
            #expect(!text.contains("wonder"))
        }
    }
}
