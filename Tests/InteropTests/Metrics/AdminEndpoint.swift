// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Asks programs over HTTP: the broker's admin port, and Prometheus.
struct HTTPEndpoint: Sendable {
    let port: UInt16

    func get(
        _ path: String, query: [String: String] = [:], accept: String? = nil
    ) async throws -> (status: Int, text: String) {
        var components = URLComponents()
        components.scheme = "http"
        components.host = "127.0.0.1"
        components.port = Int(self.port)
        components.path = path
        if !query.isEmpty { components.queryItems = query.map { URLQueryItem(name: $0.key, value: $0.value) } }
        // A plus stays a plus in URLs, and a form reads it as a space.
        components.percentEncodedQuery = components.percentEncodedQuery?.replacingOccurrences(of: "+", with: "%2B")
        var request = URLRequest(url: try #require(components.url))
        request.timeoutInterval = 30
        if let accept { request.setValue(accept, forHTTPHeaderField: "accept") }
        let (data, response) = try await URLSession.shared.data(for: request)
        return ((response as? HTTPURLResponse)?.statusCode ?? 0, String(decoding: data, as: UTF8.self))
    }
}

/// The samples of a page of metrics.
struct ScrapedPage: Sendable {
    struct Sample: Sendable {
        let name: String
        let labels: [String: String]
        let value: Double
    }

    let text: String
    let samples: [Sample]
    /// The names of all families, with samples or without.
    let families: Set<String>

    init(_ text: String) throws {
        self.text = text
        let lines = text.split(separator: "\n")
        self.families = Set(
            lines.filter { $0.hasPrefix("# TYPE ") }.map { String($0.split(separator: " ")[2]) })
        self.samples = try lines.filter { !$0.hasPrefix("#") }.map { line in
            let match = try #require(line.wholeMatch(of: /([a-z_]+)(?:\{(.*)\})? (\S+)/), "\(line)")
            var labels: [String: String] = [:]
            for label in (match.2 ?? "").matches(of: /([a-z_]+)="([^"]*)"/) {
                labels[String(label.1)] = String(label.2)
            }
            let value = match.3 == "+Inf" ? Double.infinity : try #require(Double(match.3), "\(line)")
            return Sample(name: String(match.1), labels: labels, value: value)
        }
    }

    /// All samples of that name that have these labels, added up; nil without any.
    func sum(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        let found = self.samples.filter { sample in
            sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value }
        }
        return found.isEmpty ? nil : found.reduce(0) { $0 + $1.value }
    }
}

extension BrokerOptions {
    /// A broker that serves metrics and health at that endpoint.
    static func withAdmin(
        at endpoint: HTTPEndpoint, settings: [(name: String, value: String)] = []
    ) -> BrokerOptions {
        BrokerOptions(settings: [("admin.listeners", "127.0.0.1:\(endpoint.port)")] + settings)
    }
}
