// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

extension DispatchTable {
    /// Everything that the broker answers.
    static let all = DispatchTable([
        ProduceHandler.route,
        FetchHandler.route,
        .serving(MetadataHandler.self),
        .serving(ApiVersionsHandler.self),
    ])
}
