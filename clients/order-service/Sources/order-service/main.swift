// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import OrderService
import ServiceKit

let configuration = try ServiceConfiguration(
    name: OrderService.name, environment: ProcessInfo.processInfo.environment)
configuration.bootstrapObservability()
try await EventService.run(try await OrderService.application(configuration), configuration)
