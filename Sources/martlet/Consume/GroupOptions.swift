// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

/// How `martlet consume` takes part in a group.
struct GroupOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Share the topics with the other members of this group.", valueName: "name"),
        completion: .names(of: .group))
    var group: String?

    @Flag(name: .long, help: "The topic is a regular expression (RE2) that whole names of topics match.")
    var regex = false

    @Option(
        name: .long,
        help: ArgumentHelp("An id that outlives restarts: who comes back gets the same partitions.", valueName: "id"))
    var instanceId: String?

    @Option(
        name: .long,
        help: ArgumentHelp("How the broker shares partitions out: uniform, range, weighted, …", valueName: "name"),
        completion: .list(["uniform", "range", "weighted"]))
    var assignor: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "What this member can carry beside the others, 0 to \(ConsumerGroupConfiguration.weightMax), for the"
                + " assignor weighted of Martlet's brokers.", valueName: "number"))
    var weight: Int32?

    @Flag(name: .shortAndLong, help: "Tell on standard error which partitions come and go.")
    var verbose = false

    /// What makes no sense without a group was given.
    var isGiven: Bool {
        self.regex || self.instanceId != nil || self.assignor != nil || self.weight != nil || self.verbose
    }

    /// Throws `ValidationError`.
    func configuration(
        group: String, topics: [String], from start: StartPosition
    ) throws -> KafkaConsumerConfiguration {
        guard !self.regex || topics.count == 1 else {
            throw ValidationError("--regex takes one regular expression; a|b matches two names.")
        }
        guard !group.isEmpty, self.instanceId != "" else {
            throw ValidationError("--group and --instance-id must not be empty.")
        }
        guard (0...ConsumerGroupConfiguration.weightMax).contains(self.weight ?? 0) else {
            throw ValidationError("--weight takes 0 to \(ConsumerGroupConfiguration.weightMax).")
        }
        var member = ConsumerGroupConfiguration(group, topics: self.regex ? .regex(topics[0]) : .names(topics))
        member.instanceID = self.instanceId
        member.protocol = .consumer(assignor: self.assignor, weight: self.weight)
        var configuration = KafkaConsumerConfiguration(subscription: .group(member))
        switch start {
        case .beginning: configuration.offsetReset = .earliest
        case .end: configuration.offsetReset = .latest
        default:
            throw ValidationError(
                "With --group, --from is beginning or end, for partitions of which nothing is committed;"
                    + " `martlet group reset-offsets` sets others.")
        }
        return configuration
    }
}
