// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import CommitLog
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A file system in memory that tests can fail, tear and crash at any step. May be used from any thread.
///
/// It knows what POSIX promises and nothing more: bytes are durable once their file was synced, names once their
/// directory was. `crash(_:using:)` takes from the rest whatever its generator chooses, sector by sector and name by name, so
/// that one seed always gives one outcome. Every call is counted and traced, and any of them can be made to fail.
///
/// Paths are POSIX paths; there is one root, and relative paths begin there, too.
public final class SimulatedFileSystem: FileSystem {
    /// The most calls that the trace keeps; later ones are counted, but not kept.
    public static let tracedOperationsMax = 1_000_000

    let state: Mutex<State>
    let clock: VirtualClock

    struct State: Sendable {
        var disk = SimulatedDisk()
        var faults: [PlannedFault] = []
        var operationCount = 0
        var changeCount = 0
        var trace: [DiskOperation] = []
        var keepsTrace = true
        var powerIsOut = false
        /// Counts processes: files and locks of an earlier one are of no use.
        var generation = 0
        var locks: [Int: ObjectIdentifier] = [:]
        var willChange: (@Sendable (Int) -> Void)?
    }

    struct PlannedFault: Sendable {
        var fault: DiskFault
        var matches: @Sendable (DiskOperation, _ operationNumber: Int, _ changeNumber: Int) -> Bool
        var timesLeft: Int
    }

    /// Makes an empty disk.
    ///
    /// - Parameters:
    ///   - directories: Directories that are there, durably, from the beginning, parents first.
    ///   - clock: Where modification times come from.
    ///   - keepsTrace: Whether calls are kept for `trace`; without, a long life takes no memory.
    public init(directories: [String] = [], clock: VirtualClock = VirtualClock(), keepsTrace: Bool = true) {
        var state = State()
        state.keepsTrace = keepsTrace
        for directory in directories {
            guard (try? state.disk.createDirectory(directory)) != nil else {
                preconditionFailure("\(directory) cannot be made: name its parent before it")
            }
        }
        var generator = SeededGenerator(seed: 0)
        state.disk.losePower(.nothing, using: &generator)
        self.state = Mutex(state)
        self.clock = clock
    }

    private init(state: State, clock: VirtualClock) {
        self.state = Mutex(state)
        self.clock = clock
    }

    // MARK: What tests ask

    /// The number of calls so far, reads included.
    public var operationCount: Int { self.state.withLock { $0.operationCount } }

    /// The number of calls so far that change something or make it durable: the steps at which a crash can make a
    /// difference.
    public var changeCount: Int { self.state.withLock { $0.changeCount } }

    /// All calls so far, in order.
    public var trace: [DiskOperation] { self.state.withLock { $0.trace } }

    /// Forgets the trace; the counts go on.
    public func clearTrace() { self.state.withLock { $0.trace = [] } }

    /// The bytes of a file as processes see them, or nil when there is none. Not counted.
    public func contents(of path: String) -> [UInt8]? {
        self.state.withLock { state in
            guard let inode = try? state.disk.inode(of: path), let file = try? state.disk.file(inode) else {
                return nil
            }
            return file.current
        }
    }

    /// The bytes of a file as they are on stable storage, whether or not its name is, or nil when there is none. Not
    /// counted.
    public func durableContents(of path: String) -> [UInt8]? {
        self.state.withLock { state in
            guard let inode = try? state.disk.inode(of: path), let file = try? state.disk.file(inode) else {
                return nil
            }
            return file.durable
        }
    }

    /// Another machine in the same state: one state can be crashed in many ways. Open files belong to the original,
    /// faults that were planned and the trace do not go along.
    public func copy() -> SimulatedFileSystem {
        var copied = self.state.withLock { $0 }
        copied.disk.closeAllHandles()
        copied.faults = []
        copied.locks = [:]
        copied.willChange = nil
        copied.trace = []
        return SimulatedFileSystem(state: copied, clock: self.clock)
    }

    // MARK: What tests do

    /// Has a closure called right before each change, with its number: the place for a `copy` of the disk as a power
    /// cut at that call would find it. The closure may use this file system, for all but changes.
    public func beforeEachChange(_ body: (@Sendable (Int) -> Void)?) { self.state.withLock { $0.willChange = body } }

    /// Makes the call with a number fail. The first call is number 0; see `operationCount`.
    public func inject(_ fault: DiskFault, atOperation number: Int) {
        self.plan(PlannedFault(fault: fault, matches: { _, operation, _ in operation == number }, timesLeft: 1))
    }

    /// Makes the call fail that is the change with a number. The first change is number 0; see `changeCount`.
    public func inject(_ fault: DiskFault, atChange number: Int) {
        self.plan(PlannedFault(fault: fault, matches: { $0.isChange && $2 == number }, timesLeft: 1))
    }

    /// Makes the next calls fail that a condition holds for.
    ///
    /// - Parameters:
    ///   - fault: What happens instead.
    ///   - times: How many calls fail; `Int.max` for all of them.
    ///   - matches: Which calls; it must not call this file system.
    public func inject(
        _ fault: DiskFault,
        times: Int = 1,
        where matches: @escaping @Sendable (DiskOperation) -> Bool
    ) {
        self.plan(PlannedFault(fault: fault, matches: { operation, _, _ in matches(operation) }, timesLeft: times))
    }

    /// Takes back all faults that have not happened yet.
    public func clearFaults() { self.state.withLock { $0.faults = [] } }

    private func plan(_ fault: PlannedFault) { self.state.withLock { $0.faults.append(fault) } }

    /// Bytes that all files together may hold; nil, as at first, means no limit. A write past it puts in what fits and
    /// fails with ENOSPC.
    public var capacityBytes: Int64? {
        get { self.state.withLock { $0.disk.capacityBytes } }
        set { self.state.withLock { $0.disk.capacityBytes = newValue } }
    }

    /// The machine loses its power, and comes back with what POSIX promises and whatever else the generator lets it
    /// keep. Open files fail from now on with EIO; locks are gone; planned faults stay planned.
    public func crash(_ loss: PowerLoss = .arbitrary, using generator: inout some RandomNumberGenerator) {
        // One number decides all, so that the lock's closure need not borrow the generator.
        let seed = generator.next()
        self.state.withLock { state in
            var generator = SeededGenerator(seed: seed)
            state.disk.losePower(loss, using: &generator)
            state.endProcess()
        }
    }

    /// The process is killed, the machine goes on: open files fail from now on with EIO and locks are gone, but nothing
    /// is lost, and nothing more is durable than before.
    public func killProcess() {
        self.state.withLock { state in
            state.disk.closeAllHandles()
            state.endProcess()
        }
    }

    /// Flips bits of one byte of a file, on stable storage too, as a failing disk does. Traps when there is no such
    /// byte.
    public func damage(_ path: String, at position: Int, xor mask: UInt8 = 0xff) {
        self.state.withLock { state in
            guard let inode = try? state.disk.inode(of: path), let file = try? state.disk.file(inode),
                file.current.indices.contains(position)
            else { preconditionFailure("\(path) has no byte \(position) to damage") }
            try? state.disk.withFile(inode) { $0.damage(at: position, xor: mask) }
        }
    }
}

extension SimulatedFileSystem.State {
    mutating func endProcess() {
        self.powerIsOut = false
        self.generation += 1
        self.locks = [:]
    }

    /// Counts and traces a call, and says which fault it meets, if any.
    mutating func begin(_ operation: DiskOperation) -> DiskFault? {
        var operation = operation
        var met: DiskFault?
        for index in self.faults.indices where met == nil && self.faults[index].timesLeft > 0 {
            guard self.faults[index].matches(operation, self.operationCount, self.changeCount) else { continue }
            self.faults[index].timesLeft -= 1
            met = self.faults[index].fault
        }
        self.faults.removeAll { $0.timesLeft <= 0 }
        self.operationCount += 1
        if operation.isChange { self.changeCount += 1 }
        operation.hasFault = met != nil || self.powerIsOut
        if self.keepsTrace, self.trace.count < SimulatedFileSystem.tracedOperationsMax { self.trace.append(operation) }
        if case .powerLoss = met { self.powerIsOut = true }
        return met
    }
}
