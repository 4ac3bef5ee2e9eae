// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GRDB

/// What a service listens to.
public struct Subscription: Sendable {
    /// Handles one event in a transaction that also has the inbox: it commits with the effect or not at all.
    ///
    /// It may be called again for the same event, after an attempt that left nothing behind. Types that it does not know
    /// it ignores. It throws ``EventRejected`` for an event that it will never accept; any other error has the event tried
    /// again later, while events behind it go on. So it must not rely on having seen everything that came before.
    public typealias Handler = @Sendable (Event, Database) throws -> Void

    /// The topic of the events.
    public var topic: String
    /// The group in whose name the replicas of the service share the partitions.
    public var group: String
    /// What to do with an event.
    public var handler: Handler

    /// A subscription.
    public init(_ topic: String, group: String, handler: @escaping Handler) {
        self.topic = topic
        self.group = group
        self.handler = handler
    }

    /// Where events wait that failed: of this group alone, since other groups may have handled them.
    public var retryTopic: String { "\(self.topic).\(self.group).retry" }
    /// Where events end that could not be handled.
    public var deadLetterTopic: String { "\(self.topic).\(self.group).dead-letters" }
    /// The group that reads the retry topic: apart, so that waiting there holds up nothing here.
    public var retryGroup: String { "\(self.group).retry" }
}

/// A handler will never accept this event.
public struct EventRejected: Error, CustomStringConvertible {
    /// Why, for people.
    public var description: String

    /// A rejection.
    public init(_ reason: String) { self.description = reason }
}
