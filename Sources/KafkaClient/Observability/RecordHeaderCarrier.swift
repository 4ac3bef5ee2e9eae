// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Tracing

public import KafkaRecords
public import Tracing

import NIOCore

/// Writes a trace context into the headers of a record, one header per value: with a tracer of W3C's trace contexts
/// they are `traceparent` and `tracestate`. A header that is there under the name already is replaced.
public struct RecordHeaderInjector: Injector {
    /// The headers of a record that is to be sent.
    public typealias Carrier = [RecordHeader]

    /// An injector.
    public init() {}

    /// Sets one header.
    public func inject(_ value: String, forKey key: String, into carrier: inout [RecordHeader]) {
        carrier.removeAll { $0.name == key }
        carrier.append(RecordHeader(name: key, value: ByteBuffer(string: value)))
    }
}

/// Reads a trace context from the headers of a record that was received. Of several headers with one name the last
/// counts.
public struct RecordHeaderExtractor: Extractor {
    /// The headers of a record as they lie in its batch.
    public typealias Carrier = RecordHeaders

    /// An extractor.
    public init() {}

    /// The value of a header; nil when there is none, or it is not UTF-8. Reads all headers of the record.
    public func extract(key: String, from carrier: RecordHeaders) -> String? {
        carrier.string(named: key)
    }
}

#endif
