// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

@testable import ServiceKit

@Suite struct EventTests {
    struct Paid: Codable, Equatable {
        var cents: Int
    }

    @Test("an event is read as it was written, to the millisecond")
    func anEventIsReadAsItWasWrittenTo() throws {
        let time = Date(timeIntervalSince1970: 1_767_225_600.123)
        let event = try Event("order.paid", about: "7", data: Paid(cents: 4200), occurredAt: time)
        let read = try Event(json: event.json)
        #expect(read.id == event.id)
        #expect(read.type == "order.paid")
        #expect(read.subject == "7")
        #expect(abs(read.occurredAt.timeIntervalSince(time)) < 0.001)
        #expect(try read.data(as: Paid.self) == Paid(cents: 4200))
        #expect(String(decoding: event.json, as: UTF8.self).contains(#""occurredAt":"2026-01-01T00:00:00.12"#))
    }

    @Test("the head of an event is read without knowing its data")
    func theHeadOfAnEventIsReadWithoutKnowing() throws {
        let event = try Event("order.paid", about: "7", data: ["anything": [1, 2]])
        #expect(try Event(json: event.json).type == "order.paid")
        #expect(throws: DecodingError.self) { try event.data(as: Paid.self) }
    }

    @Test(
        "what is no envelope is an error",
        arguments: ["", "{}", "not JSON", #"{"id":"1","type":"t","subject":"s","data":{}}"#, "[]"])
    func whatIsNoEnvelopeIsAnError(text: String) {
        #expect(throws: DecodingError.self) { try Event(json: Data(text.utf8)) }
    }

    @Test("milliseconds since 1970 are what they say")
    func millisecondsSince1970AreWhatTheySay() {
        #expect(Date(timeIntervalSince1970: 12.345).millisecondsSince1970 == 12_345)
    }
}
