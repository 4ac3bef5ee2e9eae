// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if SCRAM

import Crypto

/// What SCRAM computes from a password (RFC 5802, section 3), for one hash function.
struct ScramKeys {
    let mechanism: ScramMechanism
    /// The password as servers know it: one has to invert it to get at the password.
    let saltedPassword: [UInt8]

    /// Takes `iterations` runs of the hash function, one after the other: call it on no event loop.
    ///
    /// The password is hashed as it is, in UTF-8 and without SASLprep, because Kafka does the same.
    init(_ mechanism: ScramMechanism, password: String, salt: [UInt8], iterations: Int) {
        self.mechanism = mechanism
        self.saltedPassword =
            switch mechanism {
            case .sha256: Self.stretch(SHA256.self, password, salt: salt, iterations: iterations)
            case .sha512: Self.stretch(SHA512.self, password, salt: salt, iterations: iterations)
            }
    }

    /// Shows to a server that the client has the password, without giving it away.
    func clientProof(authMessage: String) -> [UInt8] {
        let clientKey = self.mac(key: self.saltedPassword, "Client Key")
        let signature = self.mac(key: self.hash(clientKey), authMessage)
        return zip(clientKey, signature).map { $0 ^ $1 }
    }

    /// What only a server that knows the salted password can say.
    func serverSignature(authMessage: String) -> [UInt8] {
        self.mac(key: self.mac(key: self.saltedPassword, "Server Key"), authMessage)
    }

    /// Compares in a time that does not tell where two signatures differ.
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(into: UInt8(0)) { $0 |= $1.0 ^ $1.1 } == 0
    }

    private func mac(key: [UInt8], _ message: String) -> [UInt8] {
        switch self.mechanism {
        case .sha256: Array(HMAC<SHA256>.authenticationCode(for: Array(message.utf8), using: SymmetricKey(data: key)))
        case .sha512: Array(HMAC<SHA512>.authenticationCode(for: Array(message.utf8), using: SymmetricKey(data: key)))
        }
    }

    private func hash(_ bytes: [UInt8]) -> [UInt8] {
        switch self.mechanism {
        case .sha256: Array(SHA256.hash(data: bytes))
        case .sha512: Array(SHA512.hash(data: bytes))
        }
    }

    /// The first block of PBKDF2 (RFC 8018), which is as long as the hash.
    private static func stretch<Hash: HashFunction>(
        _: Hash.Type, _ password: String, salt: [UInt8], iterations: Int
    ) -> [UInt8] {
        // The key is put into the hash once, and that state copied for each iteration.
        let keyed = HMAC<Hash>(key: SymmetricKey(data: Array(password.utf8)))
        var first = keyed
        first.update(data: salt + [0, 0, 0, 1])
        var block = Array(first.finalize())
        var result = block
        for _ in stride(from: 1, to: iterations, by: 1) {
            var next = keyed
            next.update(data: block)
            let code = next.finalize()
            code.withUnsafeBytes { bytes in
                for index in bytes.indices {
                    block[index] = bytes[index]
                    result[index] ^= bytes[index]
                }
            }
        }
        return result
    }
}

#endif
