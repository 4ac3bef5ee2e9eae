// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Synchronization
import Testing
import Tracing

@testable import ServiceKit

@Suite struct TracingTests {
    private struct Headers: Injector, Extractor {
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
    }

    private struct Line: Decodable {
        var name, trace, span: String
        var parent, error: String?
        var attributes: [String: String]
    }

    @Test("a trace goes on in another service through the header")
    func aTraceGoesOnInAnotherServiceThroughThe() throws {
        let lines = Mutex<[String]>([])
        let tracer = LogTracer(service: "test") { line in lines.withLock { $0.append(line) } }
        var headers: [String: String] = [:]
        tracer.withSpan("POST /orders", ofKind: .server) { span in
            span.attributes["http.request.method"] = "POST"
            tracer.inject(span.context, into: &headers, using: Headers())
        }
        #expect(headers["traceparent"]?.count == 55)
        var context = InstrumentationContext.topLevel
        tracer.extract(headers, into: &context, using: Headers())
        #expect(throws: EventRejected.self) {
            try tracer.withSpan("handle order.placed", context: context, ofKind: .consumer) { _ in
                throw EventRejected("no")
            }
        }
        let spans = try lines.withLock { try $0.map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) } }
        try #require(spans.count == 2)
        #expect(spans[0].parent == nil)
        #expect(spans[0].attributes == ["http.request.method": "POST"])
        #expect(spans[1].trace == spans[0].trace)
        #expect(spans[1].parent == spans[0].span)
        #expect(spans[1].span != spans[0].span)
        #expect(spans[1].error == "no")
    }

    @Test(
        "a header that is not what W3C says is no trace",
        arguments: [
            "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ])
    func aHeaderThatIsNotWhatW3CSaysIs(header: String) {
        #expect(Traceparent(header) == nil)
    }

    @Test("a header of a later version is read by its beginning")
    func aHeaderOfALaterVersionIsReadBy() {
        let header = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes"
        #expect(Traceparent(header)?.traceID == "0af7651916cd43dd8448eb211c80319c")
    }
}
