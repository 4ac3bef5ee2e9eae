// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What a client may do with a resource, as the answers that tell it do: a set of bits, the bit's number is the code of
/// the operation (KIP-430).
///
/// There is no access control yet, so everybody may do everything that there is to do with a kind of resource. A client
/// that did not ask gets `Int32.min`, the default of those fields.
enum AuthorizedOperations {
    /// Operations by the codes that ACLs have.
    private enum Operation: Int32 {
        case read = 3
        case write = 4
        case create = 5
        case delete = 6
        case alter = 7
        case describe = 8
        case clusterAction = 9
        case describeConfigs = 10
        case alterConfigs = 11
        case idempotentWrite = 12
    }

    static let topic = bits([.read, .write, .create, .delete, .alter, .describe, .describeConfigs, .alterConfigs])

    static let cluster = bits([
        .create, .alter, .describe, .clusterAction, .describeConfigs, .alterConfigs, .idempotentWrite,
    ])

    static let group = bits([.read, .delete, .describe, .describeConfigs, .alterConfigs])

    private static func bits(_ operations: [Operation]) -> Int32 {
        operations.reduce(0) { $0 | 1 << $1.rawValue }
    }
}
