// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

/// The texts are in Tests/Fixtures/GroupScenarios.
@Suite struct MigrationScenarioTests {
    @Test("a classic group becomes a consumer group", arguments: Scenario.all(in: "migration-upgrade.txt"))
    func upgrade(_ scenario: Scenario) { scenario.check() }

    @Test("classic members follow a consumer group", arguments: Scenario.all(in: "migration-members.txt"))
    func members(_ scenario: Scenario) { scenario.check() }

    @Test("a consumer group becomes a classic group again", arguments: Scenario.all(in: "migration-downgrade.txt"))
    func downgrade(_ scenario: Scenario) { scenario.check() }
}
