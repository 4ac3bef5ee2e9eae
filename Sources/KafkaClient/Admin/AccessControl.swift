// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Who may, or may not, do what to which resources: one entry of an access control list (KIP-11).
public struct AccessControlEntry: Hashable, Sendable {
    /// What kind of thing is protected, by the protocol's number. The set is open.
    public struct ResourceKind: RawRepresentable, Hashable, Sendable {
        /// The number on the wire.
        public var rawValue: Int8
        /// Any number.
        public init(rawValue: Int8) { self.rawValue = rawValue }

        /// Any kind; in filters only.
        public static let any = ResourceKind(rawValue: 1)
        /// A topic, by its name.
        public static let topic = ResourceKind(rawValue: 2)
        /// A group, by its id.
        public static let group = ResourceKind(rawValue: 3)
        /// The cluster itself, whose name is ``AccessControlEntry/clusterName``.
        public static let cluster = ResourceKind(rawValue: 4)
        /// A transactional producer, by its transactional id.
        public static let transactionalID = ResourceKind(rawValue: 5)
        /// A delegation token (KIP-48), by its id.
        public static let delegationToken = ResourceKind(rawValue: 6)
        /// A user (KIP-373), by the principal, for example `User:alice`.
        public static let user = ResourceKind(rawValue: 7)
    }

    /// How the name of an entry is meant, by the protocol's number (KIP-290). The set is open.
    public struct PatternKind: RawRepresentable, Hashable, Sendable {
        /// The number on the wire.
        public var rawValue: Int8
        /// Any number.
        public init(rawValue: Int8) { self.rawValue = rawValue }

        /// Any way; in filters only.
        public static let any = PatternKind(rawValue: 1)
        /// Every entry that holds for a resource of the filter's name: of that name, of a prefix of it, or `*`. In
        /// filters only.
        public static let match = PatternKind(rawValue: 2)
        /// The name itself; `*` stands for all.
        public static let literal = PatternKind(rawValue: 3)
        /// All names that begin so.
        public static let prefixed = PatternKind(rawValue: 4)
    }

    /// What may be done, by the protocol's number. The set is open.
    public struct Operation: RawRepresentable, Hashable, Sendable {
        /// The number on the wire.
        public var rawValue: Int8
        /// Any number.
        public init(rawValue: Int8) { self.rawValue = rawValue }

        /// Any operation; in filters only.
        public static let any = Operation(rawValue: 1)
        /// Everything.
        public static let all = Operation(rawValue: 2)
        /// Fetch records; fetch and commit offsets of a group.
        public static let read = Operation(rawValue: 3)
        /// Produce records.
        public static let write = Operation(rawValue: 4)
        /// Make topics.
        public static let create = Operation(rawValue: 5)
        /// Delete topics, records or groups.
        public static let delete = Operation(rawValue: 6)
        /// Change partitions, replicas and the like.
        public static let alter = Operation(rawValue: 7)
        /// See that something is there, and what it is like.
        public static let describe = Operation(rawValue: 8)
        /// What brokers do among themselves.
        public static let clusterAction = Operation(rawValue: 9)
        /// See configs.
        public static let describeConfigs = Operation(rawValue: 10)
        /// Change configs.
        public static let alterConfigs = Operation(rawValue: 11)
        /// Produce idempotently, where the brokers still ask for it.
        public static let idempotentWrite = Operation(rawValue: 12)
        /// Make delegation tokens for a user (KIP-373).
        public static let createTokens = Operation(rawValue: 13)
        /// See delegation tokens of a user (KIP-373).
        public static let describeTokens = Operation(rawValue: 14)
        /// Take part in two-phase commits (KIP-939).
        public static let twoPhaseCommit = Operation(rawValue: 15)
    }

    /// Whether it is allowed, by the protocol's number. The set is open.
    public struct Permission: RawRepresentable, Hashable, Sendable {
        /// The number on the wire.
        public var rawValue: Int8
        /// Any number.
        public init(rawValue: Int8) { self.rawValue = rawValue }

        /// Either; in filters only.
        public static let any = Permission(rawValue: 1)
        /// It is forbidden, whatever other entries allow.
        public static let deny = Permission(rawValue: 2)
        /// It is allowed, unless another entry forbids it.
        public static let allow = Permission(rawValue: 3)
    }

    /// The name of the one resource of kind ``ResourceKind/cluster``.
    public static let clusterName = "kafka-cluster"
    /// Stands for all names, all users behind `User:`, and all hosts.
    public static let wildcard = "*"

    /// What is protected.
    public var resource: ResourceKind
    /// Its name, or what it begins with.
    public var name: String
    /// How the name is meant.
    public var pattern: PatternKind
    /// Who: `User:alice`, or `User:*` for everybody.
    public var principal: String
    /// From where: an IP address, or ``wildcard``.
    public var host: String
    /// What is done.
    public var operation: Operation
    /// Whether that is allowed.
    public var permission: Permission

    /// An entry; unless said otherwise it allows an operation on the resource of exactly this name from everywhere.
    public init(
        _ resource: ResourceKind, _ name: String, pattern: PatternKind = .literal, principal: String,
        host: String = AccessControlEntry.wildcard, operation: Operation, permission: Permission = .allow
    ) {
        self.resource = resource
        self.name = name
        self.pattern = pattern
        self.principal = principal
        self.host = host
        self.operation = operation
        self.permission = permission
    }
}

extension AccessControlEntry: CustomStringConvertible {
    /// For messages: numbers where there are names only for programs.
    public var description: String {
        "\(self.principal) from \(self.host), operation \(self.operation.rawValue), permission"
            + " \(self.permission.rawValue), resource \(self.resource.rawValue) \(self.name)"
    }
}

/// Which entries are meant; everything that is nil or `any` fits all.
public struct AccessControlFilter: Hashable, Sendable {
    /// What is protected.
    public var resource = AccessControlEntry.ResourceKind.any
    /// Its name; nil for every one.
    public var name: String?
    /// How the name is meant.
    public var pattern = AccessControlEntry.PatternKind.any
    /// Who; nil for everybody.
    public var principal: String?
    /// From where; nil for everywhere.
    public var host: String?
    /// What is done.
    public var operation = AccessControlEntry.Operation.any
    /// Whether that is allowed.
    public var permission = AccessControlEntry.Permission.any

    /// All entries that there are.
    public init() {}

    /// Exactly this entry.
    public init(_ entry: AccessControlEntry) {
        self.resource = entry.resource
        self.name = entry.name
        self.pattern = entry.pattern
        self.principal = entry.principal
        self.host = entry.host
        self.operation = entry.operation
        self.permission = entry.permission
    }
}
