// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Hummingbird

/// Two questions that are asked of a service, and must not be mixed up.
///
/// `GET /healthz`: does the process live? If not, it should be started again. It says nothing of databases and brokers:
/// starting a service again does not mend them.
/// `GET /readyz`: can it do its work? If not, it should get no requests for now. The answer names every part that cannot.
public struct Health: Sendable {
    /// How long one check may take.
    static let checkTimeout = Duration.seconds(2)

    /// One part of the service: nil when it is ready, otherwise why not.
    public typealias Check = @Sendable () async -> String?

    private let checks: [(name: String, check: Check)]

    /// The parts that have to be ready, by name.
    public init(_ checks: [(name: String, check: Check)]) { self.checks = checks }

    /// Adds both routes.
    public func addRoutes(to router: some RouterMethods<some RequestContext>) {
        router.get("healthz") { _, _ in "ok\n" }
        router.get("readyz") { _, _ in await self.readiness() }
    }

    /// What `GET /readyz` answers.
    public struct Readiness: ResponseEncodable, Codable, Sendable {
        /// All parts are ready.
        public var isReady: Bool
        /// The name of every part, with `ok` or what is wrong with it.
        public var parts: [String: String]

        /// 200 or 503.
        public func response(from request: Request, context: some RequestContext) throws -> Response {
            var response = try context.responseEncoder.encode(self, from: request, context: context)
            if !self.isReady { response.status = .serviceUnavailable }
            return response
        }
    }

    /// Asks all parts at the same time.
    public func readiness() async -> Readiness {
        await withTaskGroup(of: (String, String?).self) { group in
            for (name, check) in self.checks { group.addTask { (name, await Self.bounded(check)) } }
            var readiness = Readiness(isReady: true, parts: [:])
            for await (name, problem) in group {
                readiness.parts[name] = problem ?? "ok"
                if problem != nil { readiness.isReady = false }
            }
            return readiness
        }
    }

    private static func bounded(_ check: @escaping Check) async -> String? {
        await withTaskGroup(of: String?.self) { group in
            group.addTask(operation: check)
            group.addTask {
                try? await Task.sleep(for: Self.checkTimeout)
                return "no answer within \(Self.checkTimeout)"
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }
}
