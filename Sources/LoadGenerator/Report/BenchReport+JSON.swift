// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

extension BenchReport {
    /// The largest report that is read, in bytes: a week of seconds has less.
    public static let jsonBytesMax = 1 << 30

    /// The report as JSON, names in alphabetical order. Linear in the length of the run.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// Reads what ``json()`` has written. Throws `InvalidReport` for anything else, and for other versions.
    public init(json bytes: [UInt8]) throws(InvalidReport) {
        struct Head: Decodable {
            var format: String?
            var version: Int?
        }
        let decoder = JSONDecoder()
        guard let head = try? decoder.decode(Head.self, from: Data(bytes)), head.format == Self.formatName else {
            throw InvalidReport("it is no report of martlet bench: --json-file and -o json write them")
        }
        guard head.version == Self.currentVersion else {
            throw InvalidReport(
                "it is of version \(head.version.map(String.init) ?? "unknown"), and this program reads version"
                    + " \(Self.currentVersion)")
        }
        do {
            self = try decoder.decode(BenchReport.self, from: Data(bytes))
        } catch {
            throw InvalidReport("the report is damaged: \(error)")
        }
    }

    /// What makes the run a failure, for people; nil when everything that was sent has been accounted for.
    public var problem: String? {
        if self.totals.failed > 0 {
            let first = self.errors.first.map { ": \($0.message)" } ?? ""
            return "\(self.totals.failed) records failed\(first)"
        }
        if let error = self.errors.first { return error.message }
        if let inLog = self.totals.inLog, self.workload.acks != "0", inLog != self.totals.acknowledged {
            return "\(self.totals.acknowledged) records were acknowledged, and \(inLog) are in the log"
        }
        return self.outcome == .interrupted ? "the run was interrupted: the figures are of the time before" : nil
    }
}

/// A file that is no report, and why.
public struct InvalidReport: Error, Sendable, CustomStringConvertible {
    /// What is wrong with it.
    public let description: String

    init(_ description: String) { self.description = description }
}
