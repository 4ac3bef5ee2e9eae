// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Hummingbird

/// The HTTP side of the service.
struct UserRoutes: Sendable {
    let users: UserStore

    func add(to router: some RouterMethods<some RequestContext>) {
        router.post("users") { request, context in
            let body = try await request.decode(as: NewUser.self, context: context)
            return try await Self.answeringConflicts {
                let user = try await self.users.signUp(
                    name: try Self.checked(name: body.name), email: try Self.checked(email: body.email))
                return EditedResponse(status: .created, response: user)
            }
        }
        router.patch("users/{id}") { request, context in
            let body = try await request.decode(as: Change.self, context: context)
            let id = try context.parameters.require("id", as: UUID.self)
            return try await Self.answeringConflicts {
                let user = try await self.users.change(
                    id, name: try body.name.map(Self.checked(name:)), email: try body.email.map(Self.checked(email:)))
                return try user ?? Self.unknown()
            }
        }
        router.get("users/{id}") { _, context in
            try await self.users.find(try context.parameters.require("id", as: UUID.self)) ?? Self.unknown()
        }
    }

    private struct NewUser: Decodable {
        var name: String
        var email: String
    }

    private struct Change: Decodable {
        var name: String?
        var email: String?
    }

    private static func checked(name: String) throws -> String {
        guard (1...200).contains(name.count) else {
            throw HTTPError(.badRequest, message: "a name has 1 to 200 characters")
        }
        return name
    }

    private static func checked(email: String) throws -> String {
        let parts = email.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), email.count <= 200 else {
            throw HTTPError(.badRequest, message: "an email is name@host, of at most 200 characters")
        }
        return email
    }

    private static func unknown<Value>() throws -> Value {
        throw HTTPError(.notFound, message: "there is no such user")
    }

    private static func answeringConflicts<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch UserStore.Problem.emailTaken {
            throw HTTPError(.conflict, message: "another user has this email")
        }
    }
}
