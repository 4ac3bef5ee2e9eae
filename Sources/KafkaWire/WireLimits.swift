// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What a message may cost its reader, whatever the bytes claim.
public enum WireLimits {
    /// The most bytes of UTF-8 that a string may have: what a classic length can say, as in Kafka for compact ones too.
    public static let stringBytesMax = 32_767

    /// The most elements an array may have.
    public static let arrayElementsMax = 1_000_000

    /// The most tagged fields one section may have.
    public static let taggedFieldsMax = 10_000
}
