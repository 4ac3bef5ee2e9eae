// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import CommitLog
import Dispatch
import KafkaTypes
import SimulatedIO
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The disk of a broker in a test.
public final class MartletDisk: Sendable {
    /// The data directory.
    let directory: String
    private let base: any FileSystem
    /// The same, if it is in memory.
    private let simulated: SimulatedFileSystem?
    let faults = Mutex(DiskFaultPlan())
    /// The calls that are held up, each with the number of its rule.
    let held = Watched<[(rule: Int, released: DispatchSemaphore)]>([])

    init(_ storage: MartletStorage, clock: MartletClock) throws {
        switch storage {
        case .memory:
            let simulated = SimulatedFileSystem(keepsTrace: false)
            self.simulated = simulated
            self.base = simulated
            self.directory = "/martlet"
        case .temporaryDirectory:
            self.simulated = nil
            self.base = POSIXFileSystem()
            self.directory = try Self.makeTemporaryDirectory()
        }
    }

    /// Small files, and none on a disk in memory, where a sync costs nothing.
    var journal: Journal.Options {
        var options = Journal.Options()
        options.fileByteCount = Self.journalFileBytes
        options.filesMax = self.simulated == nil ? 2 : 0
        options.seed = .random(in: 0 ... .max)
        return options
    }

    /// Bytes of a journal file.
    private static let journalFileBytes: Int64 = 4 << 20

    /// How much room there is, as the broker asks it; nil to ask the folder.
    var diskSpace: (@Sendable () -> DiskSpace?)? {
        guard self.simulated != nil else { return nil }
        return { () -> DiskSpace? in nil }
    }

    func openProcess() -> ProcessFileSystem { ProcessFileSystem(self.base, self) }

    func endProcess() { self.simulated?.killProcess() }

    func losePower(_ loss: MartletPowerLoss) {
        switch loss {
        case .everything:
            var generator = SeededGenerator(seed: 0)
            self.simulated?.crash(.everything, using: &generator)
        case .arbitrary(let seed):
            var generator = SeededGenerator(seed: seed)
            self.simulated?.crash(.arbitrary, using: &generator)
        }
    }

    @discardableResult
    func plan(
        _ call: MartletDiskCall, of partition: TopicPartition?, _ effect: DiskFaultPlan.Effect, times: Int
    ) -> Int {
        self.faults.withLock { $0.add(call, of: partition, effect, times: times) }
    }

    func heldCount(_ rule: Int) -> Int { self.held.value.count { $0.rule == rule } }

    func waitForHeld(_ count: Int, _ rule: Int) async throws {
        try await self.held.wait { held in held.count { $0.rule == rule } >= count }
    }

    func release(_ rule: Int) {
        self.faults.withLock { $0.remove(rule) }
        self.wakeHeld()
    }

    /// Those that are held up look again whether they still are.
    func wakeHeld() {
        for held in self.held.value { held.released.signal() }
    }

    /// Removes the folder and what is in it.
    func remove() {
        if self.simulated == nil { Self.removeTree(self.directory) }
    }

    private static func makeTemporaryDirectory() throws -> String {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/martlet-XXXXXX".utf8CString)
        let path: String? = template.withUnsafeMutableBufferPointer { bytes in
            guard let start = bytes.baseAddress, let made = mkdtemp(start) else { return nil }
            return String(cString: made)
        }
        if let path { return path }
        throw MartletError(.system, "no folder could be made in \(parent): \(String(cString: strerror(errno)))")
    }

    private static func removeTree(_ path: String) {
        let files = POSIXFileSystem()
        for name in (try? files.list(path)) ?? [] {
            let child = "\(path)/\(name)"
            if (try? files.status(child))?.isDirectory == true {
                self.removeTree(child)
            } else {
                try? files.removeFile(child)
            }
        }
        try? files.removeDirectory(path)
    }
}
