// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

/// The texts are in Tests/Fixtures/GroupScenarios.
@Suite struct ClassicScenarioTests {
    @Test("members join and sync, or are told why not", arguments: Scenario.all(in: "classic-joining.txt"))
    func joining(_ scenario: Scenario) { scenario.check() }

    @Test("a rebalance leads from one generation to the next", arguments: Scenario.all(in: "classic-rebalancing.txt"))
    func rebalancing(_ scenario: Scenario) { scenario.check() }

    @Test("time runs out for members that are not heard of", arguments: Scenario.all(in: "classic-time.txt"))
    func time(_ scenario: Scenario) { scenario.check() }

    @Test("static members come back as who they were", arguments: Scenario.all(in: "classic-static.txt"))
    func staticMembers(_ scenario: Scenario) { scenario.check() }

    @Test("members leave, by themselves or by force", arguments: Scenario.all(in: "classic-leaving.txt"))
    func leaving(_ scenario: Scenario) { scenario.check() }

    @Test("records tell what a group was", arguments: Scenario.all(in: "classic-records.txt"))
    func records(_ scenario: Scenario) { scenario.check() }
}
