// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How connections to brokers are protected, and how this client shows who it is: Kafka's `security.protocol`.
public struct KafkaSecurity: Sendable {
    /// Encryption, and who the broker is; nil for bytes that anybody on the way can read and change.
    public var tls: KafkaTLSConfiguration?
    /// Who this client is; nil for what the listener makes of it without a login.
    public var sasl: KafkaSASL?

    /// Any combination of the two.
    public init(tls: KafkaTLSConfiguration? = nil, sasl: KafkaSASL? = nil) {
        self.tls = tls
        self.sasl = sasl
    }

    /// Neither encryption nor login: `PLAINTEXT`, the default.
    public static let plaintext = KafkaSecurity()

    /// Encrypted, to brokers whose certificate the system's roots vouch for: `SSL`.
    public static let tls = KafkaSecurity(tls: KafkaTLSConfiguration())

    /// Encrypted as configured: `SSL`.
    public static func tls(_ configuration: KafkaTLSConfiguration) -> KafkaSecurity {
        KafkaSecurity(tls: configuration)
    }

    /// A login over an encrypted connection: `SASL_SSL`.
    public static func sasl(
        _ sasl: KafkaSASL, tls: KafkaTLSConfiguration = KafkaTLSConfiguration()
    ) -> KafkaSecurity {
        KafkaSecurity(tls: tls, sasl: sasl)
    }

    /// A login over a connection that is not encrypted: `SASL_PLAINTEXT`. With PLAIN and OAUTHBEARER everybody on the way
    /// can read the password or token.
    public static func saslPlaintext(_ sasl: KafkaSASL) -> KafkaSecurity { KafkaSecurity(sasl: sasl) }

    /// Kafka's name of the combination.
    var protocolName: String {
        switch (self.tls == nil, self.sasl == nil) {
        case (true, true): "PLAINTEXT"
        case (false, true): "SSL"
        case (true, false): "SASL_PLAINTEXT"
        case (false, false): "SASL_SSL"
        }
    }

    /// Throws `invalidConfiguration` for what this build or any broker cannot do.
    func validate() throws(KafkaClientError) {
        #if !TLS
        if self.tls != nil {
            throw KafkaClientError(
                .invalidConfiguration,
                "this build of KafkaClient has no TLS: depend on the package martlet with the trait TLS")
        }
        #endif
        try self.sasl?.validate()
    }
}

extension KafkaSecurity: CustomStringConvertible {
    /// Kafka's name of the combination, and the login without its secret.
    public var description: String {
        [self.protocolName, self.sasl?.description].compactMap(\.self).joined(separator: " ")
    }
}
