// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if SCRAM

import Testing

@testable import KafkaClient

@Suite struct ScramTests {
    /// The example of RFC 7677, section 3.
    private static let nonce = "rOprNGfwEbeRWgbNEkqO"
    private static let serverNonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    private static let salt = "W22ZaJ0SNY7soEsUEjb6gQ=="
    private static let serverFirst = "r=\(serverNonce),s=\(salt),i=4096"
    private static let proof =
        "c=biws,r=\(serverNonce),p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    private static let signature = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

    private static func exchange(_ mechanism: ScramMechanism = .sha256, user: String = "user") -> ScramExchange {
        ScramExchange(mechanism, username: user, password: "pencil", nonce: Self.nonce)
    }

    /// An exchange that has sent its first message.
    private static func begun() -> ScramExchange {
        var exchange = Self.exchange()
        _ = exchange.firstMessage()
        return exchange
    }

    @Test("the example of RFC 7677 comes out as printed there")
    func rfc7677() throws {
        var exchange = Self.exchange()
        #expect(exchange.firstMessage() == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
        #expect(try exchange.receivedFirst(Self.serverFirst) == Self.proof)
        try exchange.receivedFinal(Self.signature)
    }

    /// What Python's `hashlib.pbkdf2_hmac("sha512", b"pencil", salt, 4096)` and `hmac` make of the same messages.
    @Test("SCRAM-SHA-512 agrees with another implementation")
    func sha512() throws {
        var exchange = Self.exchange(.sha512)
        _ = exchange.firstMessage()
        let final = try exchange.receivedFirst(Self.serverFirst)
        let proof = "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw" + "+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ=="
        #expect(final == "c=biws,r=\(Self.serverNonce),p=\(proof)")
        let signature = "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0v" + "SVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw=="
        try exchange.receivedFinal("v=\(signature)")
    }

    @Test("the salted password is the first block of PBKDF2")
    func saltedPassword() {
        // RFC 7914, section 11: PBKDF2-HMAC-SHA-256 of "passwd" with salt "salt" and one iteration, the first 32 bytes.
        let keys = ScramKeys(.sha256, password: "passwd", salt: Array("salt".utf8), iterations: 1)
        #expect(
            keys.saltedPassword.prefix(16) == [
                0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f, 0xec, 0x16, 0x91, 0xc2, 0x25, 0x44, 0xb6, 0x05,
            ])
    }

    @Test("names with commas and equals signs are escaped, and delegation tokens say what they are")
    func escapes() {
        var exchange = Self.exchange(user: "a=b,c")
        #expect(exchange.firstMessage() == "n,,n=a=3Db=2Cc,r=\(Self.nonce)")
        var token = ScramExchange(
            .sha256, username: "id", password: "hmac", nonce: Self.nonce, isDelegationToken: true)
        #expect(token.firstMessage().hasSuffix(",tokenauth=true"))
    }

    @Test("a broker that does not know the password is found out by its signature")
    func wrongSignature() throws {
        var exchange = Self.begun()
        _ = try exchange.receivedFirst(Self.serverFirst)
        let wrong = "v=" + Base64.encode([UInt8](repeating: 7, count: 32))
        #expect(throws: ScramExchange.Failure.self) { try exchange.receivedFinal(wrong) }
        // Not even the right one counts afterwards.
        #expect(throws: ScramExchange.Failure.self) { try exchange.receivedFinal(Self.signature) }
    }

    @Test("a signature cannot come before the salt")
    func outOfOrder() {
        var exchange = Self.begun()
        #expect(throws: ScramExchange.Failure.self) { try exchange.receivedFinal(Self.signature) }
        var fresh = Self.exchange()
        #expect(throws: ScramExchange.Failure.self) { _ = try fresh.receivedFirst(Self.serverFirst) }
    }

    @Test("iterations are bounded both ways", arguments: [0, -1, 4095, 1_000_001, Int.max])
    func iterations(_ count: Int) {
        var exchange = Self.begun()
        #expect(throws: ScramExchange.Failure.self) {
            _ = try exchange.receivedFirst("r=\(Self.serverNonce),s=\(Self.salt),i=\(count)")
        }
    }

    @Test("a nonce that does not go on from the client's is refused")
    func foreignNonce() {
        for nonce in [Self.nonce, "x\(Self.serverNonce)", ""] {
            var exchange = Self.begun()
            #expect(throws: ScramExchange.Failure.self) {
                _ = try exchange.receivedFirst("r=\(nonce),s=\(Self.salt),i=4096")
            }
        }
    }

    @Test(
        "malformed messages are errors",
        arguments: [
            "", ",", ",,,", "r=", "i=4096", "r=\(serverNonce),s=,i=4096", "r=\(serverNonce),s=!!!!,i=4096",
            "r=\(serverNonce),s=\(salt),i=", "r=\(serverNonce),s=\(salt),i=99999999999999999999",
            "m=extension,r=\(serverNonce),s=\(salt),i=4096",
        ])
    func malformed(_ message: String) {
        var exchange = Self.begun()
        #expect(throws: ScramExchange.Failure.self) { _ = try exchange.receivedFirst(message) }
        var last = Self.begun()
        _ = try? last.receivedFirst(Self.serverFirst)
        #expect(throws: ScramExchange.Failure.self) { try last.receivedFinal(message) }
    }

    @Test("the reason that a broker gives is passed on")
    func serverError() throws {
        var exchange = Self.begun()
        _ = try exchange.receivedFirst(Self.serverFirst)
        let failure = #expect(throws: ScramExchange.Failure.self) { try exchange.receivedFinal("e=invalid-proof") }
        #expect(failure?.description.contains("invalid-proof") == true)
    }

    @Test("base64 comes back as it went, and nothing else is taken")
    func base64() {
        for count in 0..<20 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + 200) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        }
        #expect(Base64.encode("foobar".utf8) == "Zm9vYmFy")
        for text in ["a", "ab", "abc", "Zg=", "Zg===", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9vé"] {
            #expect(Base64.decode(text) == nil)
        }
    }
}

#endif
