// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GRDB
import Hummingbird

/// Answers 503 when the database has no time, so that a client tries again, instead of 500.
public struct BusyMiddleware<Context: RequestContext>: RouterMiddleware {
    /// It has no settings.
    public init() {}

    /// Handles the request, and translates the errors of a database in trouble.
    public func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as DatabaseError where error.mayGoAway {
            context.logger.warning("the database has no time", metadata: ["error": "\(error)"])
            throw HTTPError(
                .serviceUnavailable, headers: [.retryAfter: "1"], message: "the database is busy, try again")
        }
    }
}
