// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@Suite struct ClassicScenarioTests {
    @Test("members join as Kafka lets them", arguments: Scenario.all(in: "classic-joining.txt"))
    func joining(_ scenario: Scenario) { scenario.check() }
}
