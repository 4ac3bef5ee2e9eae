// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire

@testable import GroupCoordinator

/// What happens at a moment of virtual time.
enum SimulationEvent {
    /// A client does what is due. Only the latest round that a client asked for counts.
    case tick(client: Int, round: Int)
    /// A request has come to the coordinator.
    case arrival(Envelope)
    /// An answer has come to the client.
    indirect case delivery(Envelope, SimulatedAnswer)
    /// The connection of a client is noticed to be gone: those of its requests that are parked are in vain.
    case connectionGone(client: Int, connection: Int)
    /// The log is durable up to this batch.
    case flushed(sequence: Int, life: Int)
    /// The timer of the coordinator.
    case wakeUp(life: Int)
    /// The coordinator has loaded its log.
    case coordinatorUp(life: Int)
    /// Something is done to the clients, the topics or the coordinator.
    case churn
}

/// Events by time; those of the same time in the order in which they were added. A binary heap.
struct EventQueue {
    private struct Entry {
        let at: Int64
        let order: Int
        let event: SimulationEvent

        func isBefore(_ other: Entry) -> Bool { (self.at, self.order) < (other.at, other.order) }
    }

    private var heap: [Entry] = []
    private var added = 0

    mutating func add(_ event: SimulationEvent, at: Int64) {
        self.added += 1
        self.heap.append(Entry(at: at, order: self.added, event: event))
        var child = self.heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if !self.heap[child].isBefore(self.heap[parent]) { break }
            self.heap.swapAt(parent, child)
            child = parent
        }
    }

    /// The next event, if it is not after `limit`.
    mutating func next(until limit: Int64) -> (at: Int64, event: SimulationEvent)? {
        guard let first = self.heap.first, first.at <= limit else { return nil }
        let last = self.heap.removeLast()
        if self.heap.isEmpty { return (first.at, first.event) }
        self.heap[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= self.heap.count { break }
            if child + 1 < self.heap.count, self.heap[child + 1].isBefore(self.heap[child]) { child += 1 }
            if !self.heap[child].isBefore(self.heap[parent]) { break }
            self.heap.swapAt(parent, child)
            parent = child
        }
        return (first.at, first.event)
    }
}

/// A request of a client on its way. A class, because the queue moves it about.
final class Envelope {
    /// Unique in a simulation: the token at the coordinator, and what the client knows its request by.
    let number: UInt64
    let client: Int
    /// Which of the client's connections it was sent on; answers go back on it or nowhere.
    let connection: Int
    let request: SimulatedRequest

    init(number: UInt64, client: Int, connection: Int, request: SimulatedRequest) {
        self.number = number
        self.client = client
        self.connection = connection
        self.request = request
    }
}

/// What clients ask for.
enum SimulatedRequest {
    case join(JoinGroupRequest, version: Int16)
    case sync(SyncGroupRequest)
    case heartbeat(HeartbeatRequest)
    case leave(LeaveGroupRequest)
    case consumerHeartbeat(ConsumerGroupHeartbeatRequest, version: Int16)
    case commit(CommitAttempt)
    case fetch(FetchAttempt)

    var version: Int16 {
        switch self {
        case .join(_, let version), .consumerHeartbeat(_, let version): version
        case .sync: 5
        case .heartbeat: 4
        case .leave: 5
        case .commit, .fetch: 10
        }
    }
}

/// Offsets to commit, by the partitions of the topics as the client knows them.
struct CommitAttempt {
    var memberID = ""
    var epoch: Int32 = -1
    var instanceID: String?
    var offsets: [(partition: SimulatedPartition, offset: Int64)]
}

/// Partitions whose offsets a client wants to know.
struct FetchAttempt {
    var memberID: String?
    var epoch: Int32 = -1
    var partitions: [SimulatedPartition]
}

/// What a client hears.
enum SimulatedAnswer {
    case group(GroupAnswer)
    /// The broker had no coordinator that could answer.
    case refused(ErrorCode)
    /// The connection broke while the request was under way.
    case disconnected
}
