// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// Where metadata outlives the process. One owner writes to it: ``MetadataController``.
public protocol MetadataStore: Sendable {
    /// Everything kept, or nil from a store that is new. Throws `storage` or `incompatibleStore`.
    func load() throws(MetadataError) -> ClusterImage?

    /// Keeps all the changes, or none of them. When it returns, not even a power cut takes them back.
    ///
    /// The first change of a new store must be `initializeCluster`. Throws as ``ClusterImage/applying(_:)`` does for
    /// changes that do not fit, and `storage` when it cannot write: then it is not known whether they were kept.
    func commit(_ changes: [MetadataChange]) throws(MetadataError)
}

/// A store that forgets with the process: for tests.
public final class InMemoryMetadataStore: MetadataStore {
    private let state: Mutex<State>

    private struct State {
        var image: ClusterImage?
        var nextFailure: MetadataError?
        var keepsNextFailure = false
    }

    /// A store with this content, or a new one.
    public init(_ image: ClusterImage? = nil) { self.state = Mutex(State(image: image)) }

    /// See ``MetadataStore``.
    public func load() throws(MetadataError) -> ClusterImage? { self.state.withLock { $0.image } }

    /// See ``MetadataStore``.
    public func commit(_ changes: [MetadataChange]) throws(MetadataError) {
        let result: Result<Void, MetadataError> = self.state.withLock { state in
            let failure = state.nextFailure
            state.nextFailure = nil
            if let failure, !state.keepsNextFailure { return .failure(failure) }
            do throws(MetadataError) {
                var rest = changes[...]
                var image = state.image
                if image == nil {
                    guard case .initializeCluster(let clusterID, let nodeID) = rest.popFirst() else {
                        throw MetadataError(.incompatibleStore, "A new store must first be told its cluster")
                    }
                    image = ClusterImage(clusterID: clusterID, nodeID: nodeID)
                }
                state.image = try image?.applying(Array(rest))
                return failure.map { .failure($0) } ?? .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Makes the next commit fail with this error, keeping nothing, or (`afterKeeping`) everything: a store that fails
    /// late may have done so.
    public func failNextCommit(with error: MetadataError, afterKeeping: Bool = false) {
        self.state.withLock { state in
            state.nextFailure = error
            state.keepsNextFailure = afterKeeping
        }
    }
}
