// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient

/// Settings as librdkafka names them, `name=value`, and what they are for KafkaClient.
struct Settings {
    var producer = KafkaProducerConfiguration()
    /// Fetched ahead, in bytes.
    var prefetchBytesMax: Int?
    var partitionBytesMax: Int?

    init(_ arguments: some Sequence<String>) throws {
        for argument in arguments {
            let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw UnusableSetting(argument) }
            try self.set(parts[0], parts[1])
        }
    }

    private mutating func set(_ name: String, _ value: String) throws {
        func number() throws -> Int {
            guard let number = Int(value) else { throw UnusableSetting("\(name)=\(value)") }
            return number
        }
        switch name {
        case "acks":
            let acks: [String: RequiredAcks] = ["all": .all, "-1": .all, "1": .leader, "0": .none]
            guard let known = acks[value] else { throw UnusableSetting("\(name)=\(value)") }
            self.producer.acks = known
            if known != .all { self.producer.isIdempotent = false }
        case "enable.idempotence": self.producer.isIdempotent = value == "true"
        case "linger.ms": self.producer.linger = .milliseconds(try number())
        case "batch.size": self.producer.batchBytesMax = try number()
        case "compression.type":
            guard let codec = CompressionCodec(name: value) else { throw UnusableSetting("\(name)=\(value)") }
            self.producer.codec = codec
        case "queued.max.messages.kbytes": self.prefetchBytesMax = try number() * 1024
        case "fetch.message.max.bytes": self.partitionBytesMax = try number()
        default: throw UnusableSetting("\(name)=\(value)")
        }
    }
}

struct UnusableSetting: Error, CustomStringConvertible {
    let description: String
    init(_ setting: String) { self.description = "the setting \(setting) is not understood" }
}
