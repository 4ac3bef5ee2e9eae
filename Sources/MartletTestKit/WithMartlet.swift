// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Starts a broker on a free port of 127.0.0.1, hands it to `body`, and takes it apart afterwards, however `body` ends.
///
///     try await withMartlet { martlet in
///         // any Kafka client, with martlet.bootstrap as its bootstrap servers
///     }
///
/// It is ready when `body` begins, some milliseconds after the call. Any number of brokers may run side by side; they share
/// nothing. Connections that are still open when `body` returns are closed.
///
/// - Throws: what `body` throws; else `MartletError` for configs and topics that are not allowed, and errors of the
///   system, for example when there are no files or threads left.
public func withMartlet<Result>(
    _ configuration: MartletConfiguration = MartletConfiguration(),
    isolation: isolated (any Actor)? = #isolation,
    _ body: (Martlet) async throws -> Result
) async throws -> Result {
    let martlet = try await Martlet.start(configuration)
    let result: Result
    do {
        result = try await body(martlet)
    } catch {
        // What went wrong in the test is what counts.
        try? await martlet.shutDown()
        throw error
    }
    try await martlet.shutDown()
    return result
}
