// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import ServiceKit
import UserService

let configuration = try ServiceConfiguration(
    name: UserService.name, environment: ProcessInfo.processInfo.environment)
configuration.bootstrapObservability()
try await EventService.run(try await UserService.application(configuration), configuration)
