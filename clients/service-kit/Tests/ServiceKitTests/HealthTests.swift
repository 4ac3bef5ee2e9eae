// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Hummingbird
import HummingbirdTesting
import ServiceKit
import Testing

@Suite struct HealthTests {
    private func readiness(_ checks: [(name: String, check: Health.Check)]) async throws -> (
        HTTPResponse.Status, String
    ) {
        let router = Router()
        Health(checks).addRoutes(to: router)
        return try await Application(router: router).test(.router) { client in
            try await client.execute(uri: "/healthz", method: .get) { #expect($0.status == .ok) }
            return try await client.execute(uri: "/readyz", method: .get) { ($0.status, String(buffer: $0.body)) }
        }
    }

    @Test("a service is ready when all its parts are")
    func ready() async throws {
        let (status, body) = try await self.readiness([("database", { nil }), ("broker", { nil })])
        #expect(status == .ok)
        #expect(body.contains(#""isReady":true"#) && body.contains(#""broker":"ok""#))
    }

    @Test("a service that is not ready says which part is not, and lives all the same")
    func notReady() async throws {
        let (status, body) = try await self.readiness([("database", { nil }), ("broker", { "nobody listens" })])
        #expect(status == .serviceUnavailable)
        #expect(body.contains(#""broker":"nobody listens""#))
    }

    @Test("a part that does not answer is not ready")
    func noAnswer() async throws {
        let never: Health.Check = {
            try? await Task.sleep(for: .seconds(60))
            return nil
        }
        let (status, body) = try await self.readiness([("broker", never)])
        #expect(status == .serviceUnavailable)
        #expect(body.contains("no answer within"))
    }
}
