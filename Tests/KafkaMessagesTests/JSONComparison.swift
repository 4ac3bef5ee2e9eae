// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaTypes
import KafkaWire
import NIOCore

/// Compares a decoded value with the JSON that the Java client writes for it.
///
/// Names are compared without case. Bytes are base64, UUIDs Kafka's base64. Records are empty in the JSON, so of them only
/// null and not null can be compared. A field that the JSON lacks must have its default.
struct JSONComparison {
    private(set) var differences: [String] = []

    mutating func compare(_ value: any WireStruct, _ json: Any, path: String) {
        guard let object = json as? [String: Any] else { return self.differ(path, value, json) }
        var rest = Dictionary(uniqueKeysWithValues: object.map { ($0.key.lowercased(), $0.value) })
        let defaults = Dictionary(
            uniqueKeysWithValues: Mirror(reflecting: type(of: value).init()).children.map { ($0.label ?? "", $0.value) }
        )
        for child in Mirror(reflecting: value).children {
            let name = child.label ?? ""
            if let json = rest.removeValue(forKey: name.lowercased()) {
                self.compare(any: child.value, json, path: "\(path).\(name)")
            } else if String(reflecting: child.value) != defaults[name].map({ String(reflecting: $0) }) {
                self.differ("\(path).\(name)", child.value, "nothing")
            }
        }
        for key in rest.keys { self.differ("\(path).\(key)", "nothing", rest[key] as Any) }
    }

    private mutating func compare(any value: Any, _ json: Any, path: String) {
        let mirror = Mirror(reflecting: value)
        if mirror.displayStyle == .optional {
            if let wrapped = mirror.children.first?.value {
                self.compare(any: wrapped, json, path: path)
            } else if !(json is NSNull) {
                self.differ(path, "nil", json)
            }
            return
        }
        switch value {
        case let value as Bool: self.expect((json as? NSNumber)?.boolValue == value, path, value, json)
        case let value as Double: self.expect((json as? NSNumber)?.doubleValue == value, path, value, json)
        case let value as UInt16:
            // The generator of the vectors put larger numbers into the JSON than the wire holds.
            let number = (json as? NSNumber).map { UInt16(truncatingIfNeeded: $0.int64Value) }
            self.expect(number == value, path, value, json)
        case let value as any FixedWidthInteger:
            self.expect((json as? NSNumber)?.int64Value == Int64(value), path, value, json)
        case let value as String: self.expect(json as? String == value, path, value, json)
        case let value as UUID128: self.expect(json as? String == value.base64, path, value, json)
        case let value as ByteBuffer:
            let data = (json as? String).flatMap { Data(base64Encoded: $0) }
            self.expect(data == Data(value.readableBytesView), path, value, json)
        case is RecordBytes: self.expect(json as? String == "", path, value, json)
        case let value as any WireStruct: self.compare(value, json, path: path)
        default:
            guard mirror.displayStyle == .collection, let elements = json as? [Any],
                elements.count == mirror.children.count
            else { return self.differ(path, value, json) }
            for (index, (child, element)) in zip(mirror.children, elements).enumerated() {
                self.compare(any: child.value, element, path: "\(path)[\(index)]")
            }
        }
    }

    private mutating func expect(_ holds: Bool, _ path: String, _ value: Any, _ json: Any) {
        if !holds { self.differ(path, value, json) }
    }

    private mutating func differ(_ path: String, _ value: Any, _ json: Any) {
        self.differences.append("\(path): decoded \(value), JSON has \(json)")
    }
}
