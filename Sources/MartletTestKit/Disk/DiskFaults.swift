// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import Dispatch
public import KafkaTypes
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What the broker asks of its disk.
public enum MartletDiskCall: Sendable, Hashable {
    /// Bytes are written to a file, or it is lengthened or cut.
    case write
    /// A file or a folder is synced.
    case sync
}

/// Why a disk says no.
public enum MartletDiskError: Sendable, Hashable {
    /// It cannot: EIO.
    case inputOutput
    /// It is full: ENOSPC.
    case noSpace

    var number: Int32 {
        switch self {
        case .inputOutput: EIO
        case .noSpace: ENOSPC
        }
    }
}

/// Calls of the disk that wait until the test lets them go.
public final class MartletDiskHold: Sendable {
    fileprivate let id: Int
    private let disk: MartletDisk

    fileprivate init(_ id: Int, _ disk: MartletDisk) {
        self.id = id
        self.disk = disk
    }

    /// How many calls wait.
    public var count: Int { self.disk.heldCount(self.id) }

    /// Returns when so many calls wait.
    ///
    /// - Throws: `CancellationError`.
    public func waitForCalls(_ count: Int = 1) async throws { try await self.disk.waitForHeld(count, self.id) }

    /// Lets them go on, and holds up no others.
    public func release() { self.disk.release(self.id) }
}

/// The faults that are planned for a disk, and the calls that wait because of them.
struct DiskFaultPlan: Sendable {
    enum Effect: Sendable {
        case fail(MartletDiskError)
        case wait(Duration)
        case hold
    }

    struct Rule: Sendable {
        var id: Int
        var call: MartletDiskCall
        /// The directory of a partition; nil: any file.
        var directory: String?
        var effect: Effect
        var timesLeft: Int

        func matches(_ call: MartletDiskCall, _ path: String) -> Bool {
            guard call == self.call else { return false }
            guard let directory else { return true }
            return path.utf8.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual(directory.utf8) }
        }
    }

    private(set) var rules: [Rule] = []
    private var lastID = 0

    mutating func add(
        _ call: MartletDiskCall, of partition: TopicPartition?, _ effect: Effect, times: Int
    ) -> Int {
        self.lastID += 1
        self.rules.append(
            Rule(
                id: self.lastID, call: call, directory: partition.map { "\($0)" }, effect: effect,
                timesLeft: times))
        return self.lastID
    }

    mutating func remove(_ id: Int) { self.rules.removeAll { $0.id == id } }

    mutating func removeAll() { self.rules = [] }

    func has(_ id: Int) -> Bool { self.rules.contains { $0.id == id } }

    /// What a call meets: the first rule of each kind that matches it.
    mutating func meet(_ call: MartletDiskCall, _ path: String) -> [Rule] {
        var met: [Rule] = []
        for index in self.rules.indices where self.rules[index].matches(call, path) {
            self.rules[index].timesLeft -= 1
            met.append(self.rules[index])
            // One error is enough.
            if case .fail = self.rules[index].effect { break }
        }
        self.rules.removeAll { $0.timesLeft <= 0 }
        return met
    }
}

extension MartletDisk {
    /// Makes calls of the broker fail. Nothing of a call that fails is done.
    ///
    /// What the broker makes of it is what it does in production: records that cannot be written are refused with
    /// KAFKA_STORAGE_ERROR; after a sync that failed the partition takes no more until the broker is started again; after
    /// ENOSPC nothing is taken for a second.
    ///
    /// - Parameters:
    ///   - call: What fails.
    ///   - partition: Whose files; nil for all.
    ///   - times: How many calls; `Int.max` for all until ``clearFaults()``.
    public func fail(
        _ call: MartletDiskCall, of partition: TopicPartition? = nil, with error: MartletDiskError = .inputOutput,
        times: Int = 1
    ) {
        self.plan(call, of: partition, .fail(error), times: times)
    }

    /// Makes calls of the broker take so much longer, by the real clock.
    ///
    /// - Parameters:
    ///   - call: What is slow.
    ///   - partition: Whose files; nil for all.
    ///   - duration: How much longer each call takes. The broker's other work on the same thread waits with it.
    ///   - times: How many calls; all until ``clearFaults()`` unless said otherwise.
    public func slow(
        _ call: MartletDiskCall, of partition: TopicPartition? = nil, by duration: Duration, times: Int = .max
    ) {
        self.plan(call, of: partition, .wait(duration), times: times)
    }

    /// Holds calls of the broker up until they are released. A broker that stops waits for them, too; one that is killed
    /// does not.
    ///
    /// - Parameters:
    ///   - call: What is held up.
    ///   - partition: Whose files; nil for all.
    public func hold(_ call: MartletDiskCall, of partition: TopicPartition? = nil) -> MartletDiskHold {
        MartletDiskHold(self.plan(call, of: partition, .hold, times: .max), self)
    }

    /// Takes back all faults, and lets go on what is held up.
    public func clearFaults() {
        self.faults.withLock { $0.removeAll() }
        self.wakeHeld()
    }

    /// The error number that a call is to fail with, after it was held up for as long as the test says. On a thread that
    /// may wait.
    func meet(_ operation: FileSystemError.Operation, path: String, isCancelled: () -> Bool) -> Int32? {
        let call: MartletDiskCall
        switch operation {
        case .write, .truncate: call = .write
        case .syncData, .syncDirectory, .syncEverything: call = .sync
        default: return nil
        }
        var error: Int32?
        for rule in self.faults.withLock({ $0.meet(call, path) }) {
            switch rule.effect {
            case .fail(let reason): error = reason.number
            case .wait(let duration): Self.sleep(duration)
            case .hold: self.waitUntilReleased(rule.id, isCancelled)
            }
        }
        return error
    }

    private func waitUntilReleased(_ id: Int, _ isCancelled: () -> Bool) {
        let released = DispatchSemaphore(value: 0)
        self.held.change { $0.append((id, released)) }
        // It may have been released, or the process killed, before the semaphore was known.
        while self.faults.withLock({ $0.has(id) }), !isCancelled() { released.wait() }
        self.held.change { held in held.removeAll { $0.released === released } }
    }

    private static func sleep(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var left = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        var rest = timespec()
        while nanosleep(&left, &rest) == -1, errno == EINTR { left = rest }
    }
}
