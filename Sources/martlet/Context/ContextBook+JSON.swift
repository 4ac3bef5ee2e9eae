// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import NIOCore

/// The file of the contexts as text:
///
///     {"current":"prod","contexts":{"prod":{"bootstrap":"a:9092,b:9092","tlsCA":"ca.pem","sasl":"plain",
///      "user":"alice","passwordFile":"/run/secrets/kafka"}}}
///
/// What this version does not know is an error, not ignored: it might be what keeps a password from the wrong broker.
extension ContextBook {
    /// Throws `JSONReader.Malformed`, which names the byte, for anything that `json` does not write.
    init(json text: String) throws {
        var text = text
        self = try text.withUTF8 { bytes in
            var reader = JSONReader(UnsafeRawBufferPointer(bytes))
            return try Self(from: &reader)
        }
    }

    private init(from reader: inout JSONReader) throws(JSONReader.Malformed) {
        var book = ContextBook()
        var current: String?
        try reader.object { (reader, field) throws(JSONReader.Malformed) in
            switch field {
            case "current":
                current = try reader.null() ? nil : try reader.string()
            case "contexts":
                try reader.object { (reader, name) throws(JSONReader.Malformed) in
                    guard Context.isName(name) else { throw reader.malformed("'\(name)' is no name of a context") }
                    guard book[name] == nil else { throw reader.malformed("a second context '\(name)'") }
                    book.put(try Context(name: name, from: &reader))
                }
            default:
                throw reader.malformed("an unknown field '\(field)'")
            }
        }
        try reader.end()
        guard book.use(current) else { throw reader.malformed("the current context '\(current ?? "")' is missing") }
        self = book
    }

    /// As `init(json:)` reads it.
    var json: String {
        var json = JSONWriter()
        json.object { json in
            json.name("current")
            json.string(self.current)
            json.name("contexts")
            json.object { json in
                for context in self.contexts {
                    json.name(context.name)
                    context.write(to: &json)
                }
            }
        }
        return json.text + "\n"
    }
}

extension Context {
    fileprivate init(name: String, from reader: inout JSONReader) throws(JSONReader.Malformed) {
        var bootstrap: String?
        var security = SecuritySettings()
        try reader.object { (reader, field) throws(JSONReader.Malformed) in
            switch field {
            case "bootstrap": bootstrap = try reader.string()
            case "tls":
                let value = try reader.value()
                guard ["true", "false"].contains(String(buffer: value)) else {
                    throw reader.malformed("'tls' is neither true nor false")
                }
                security.usesTLS = String(buffer: value) == "true"
            case "tlsCA": security.tlsCA = try reader.string()
            case "tlsCert": security.tlsCertificate = try reader.string()
            case "tlsKey": security.tlsKey = try reader.string()
            case "tlsServerName": security.tlsServerName = try reader.string()
            case "sasl":
                let text = try reader.string()
                guard let mechanism = SecuritySettings.Mechanism(argument: text) else {
                    throw reader.malformed("an unknown mechanism '\(text)'")
                }
                security.sasl = mechanism
            case "user": security.user = try reader.string()
            case "passwordFile": security.password = .file(try reader.string())
            case "passwordVariable": security.password = .environment(try reader.string())
            case "password": security.password = .stored(try reader.string())
            default: throw reader.malformed("an unknown field '\(field)'")
            }
        }
        guard let bootstrap, BrokerAddress.list(bootstrap) != nil else {
            throw reader.malformed("the context '\(name)' has no valid 'bootstrap'")
        }
        self.init(name: name, bootstrap: bootstrap, security: security)
    }

    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("bootstrap")
            json.string(self.bootstrap)
            if self.security.usesTLS {
                json.name("tls")
                json.bool(true)
            }
            var fields = [
                ("tlsCA", self.security.tlsCA), ("tlsCert", self.security.tlsCertificate),
                ("tlsKey", self.security.tlsKey), ("tlsServerName", self.security.tlsServerName),
                ("sasl", self.security.sasl?.rawValue), ("user", self.security.user),
            ]
            switch self.security.password {
            case .file(let path): fields.append(("passwordFile", path))
            case .environment(let name): fields.append(("passwordVariable", name))
            case .stored(let password): fields.append(("password", password))
            case nil: break
            }
            for (name, value) in fields {
                guard let value else { continue }
                json.name(name)
                json.string(value)
            }
        }
    }
}
