// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

/// A request of which parts can be refused while the broker answers the rest.
protocol RefusableRequest: KafkaRequest {
    /// Takes out what is refused.
    mutating func refuse(_ refusals: Refusals) -> Refused<Response>

    /// Adds what was refused to the answer to the rest.
    static func merge(_ refused: Response, into answer: inout Response)

    /// For whose change of leader or coordinator it is not to wait any longer, if it waits; nothing for most requests.
    func waitsFor(_ refusals: Refusals) -> [RefusalTarget]

    /// Makes it a request that is answered at once.
    mutating func hurry()
}

extension RefusableRequest {
    static func merge(_ refused: Response, into answer: inout Response) {}

    func waitsFor(_ refusals: Refusals) -> [RefusalTarget] { [] }

    mutating func hurry() {}
}

/// What is refused of a request.
enum Refused<Response: Sendable>: Sendable {
    case nothing
    /// The request has changed; this is to be merged into the answer.
    case part(Response)
    /// Nothing is left to ask.
    case all(Response)
}

/// Says what is refused.
struct Refusals {
    /// The error that a part of the request meets; nil: it is answered.
    let error: (RefusalTarget) -> ErrorCode?
    /// The name of a topic by its id.
    let topicName: (UUID128) -> String?
    /// Fetch sessions cannot go on: the broker would remember partitions that it is not to answer for.
    let breaksSessions: Bool

    /// A partition whose topic is named in the request, or in newer versions has its id.
    func partition(_ name: String, _ id: UUID128, _ index: Int32) -> TopicPartition {
        TopicPartition(
            topic: name.isEmpty ? self.topicName(id) ?? "" : name, partition: PartitionIndex(index))
    }
}

/// Names a topic in requests that have either its name or its id.
struct TopicKey: Equatable {
    var name: String
    var id: UUID128 = .zero
}

extension Array {
    /// Takes out the elements that a closure makes something of, and returns that.
    mutating func extract<Other>(_ body: (Element) -> Other?) -> [Other] {
        var extracted: [Other] = []
        self.removeAll { element in
            guard let other = body(element) else { return false }
            extracted.append(other)
            return true
        }
        return extracted
    }

    /// Adds the parts of topics that were refused to the topics that are there.
    mutating func merge<Key: Equatable, Part>(
        _ refused: [Element], by key: (Element) -> Key, _ parts: WritableKeyPath<Element, [Part]>
    ) {
        for topic in refused {
            if let index = self.firstIndex(where: { key($0) == key(topic) }) {
                self[index][keyPath: parts] += topic[keyPath: parts]
            } else {
                self.append(topic)
            }
        }
    }
}
