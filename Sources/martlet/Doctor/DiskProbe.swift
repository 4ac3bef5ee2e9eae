// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import CommitLog

/// How fast the disk below a directory is for a log: small appends that are made durable one by one, and one large
/// write. Small and bounded; what it writes is removed in the end.
struct DiskProbe {
    /// What is measured.
    struct Result: Sendable, Equatable {
        /// Ascending: how long each append of `appendBytes` and its fdatasync took, in nanoseconds.
        var appendNanoseconds: [Int64]
        /// Bytes of the large write, the sync at its end included; 0 when there was no room for it.
        var sequentialBytes: Int64 = 0
        var sequentialNanoseconds: Int64 = 0

        /// Nanoseconds; `fraction` is 0 to 1.
        func percentile(_ fraction: Double) -> Int64 {
            guard !self.appendNanoseconds.isEmpty else { return 0 }
            let index = Int((Double(self.appendNanoseconds.count - 1) * fraction).rounded(.up))
            return self.appendNanoseconds[min(index, self.appendNanoseconds.count - 1)]
        }

        /// Bytes per second; nil when nothing was measured.
        var sequentialRate: Double? {
            guard self.sequentialBytes > 0, self.sequentialNanoseconds > 0 else { return nil }
            return Double(self.sequentialBytes) * 1e9 / Double(self.sequentialNanoseconds)
        }
    }

    static let appendBytes = 4096
    static let appendsMax = 200
    /// A slow disk gets fewer appends: no more begin after this.
    static let appendsTimeMax: Int64 = 2_000_000_000
    static let sequentialBytesMax: Int64 = 64 << 20
    /// The large write ends early after this.
    static let sequentialTimeMax: Int64 = 3_000_000_000
    private static let pieceBytes = 1 << 20
    /// The large write takes no more than so much of the free space above the mark.
    private static let freeShare: Int64 = 10

    let fileSystem: any FileSystem
    let directory: String
    /// Monotonic nanoseconds.
    let now: () -> Int64
    let progress: ProgressBar

    /// Measures. `room` is how many bytes may be written at all. Throws `FileSystemError`.
    func run(room: Int64) throws(FileSystemError) -> Result {
        let path = "\(self.directory)/.martlet-doctor-\(UInt32.random(in: 0 ... .max))"
        let file = try self.fileSystem.open(path, .createEmpty)
        let result: Result
        do throws(FileSystemError) {
            result = try self.measure(file, room: room)
        } catch {
            // The reason to be told is the first one.
            try? self.fileSystem.removeFile(path)
            throw error
        }
        try self.fileSystem.removeFile(path)
        return result
    }

    private func measure(_ file: any LogFile, room: Int64) throws(FileSystemError) -> Result {
        let size = max(min(Self.sequentialBytesMax, room / Self.freeShare), 0)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 4096)
        defer { buffer.deallocate() }
        // A disk that compresses would make little of zeros.
        var generator = SystemRandomNumberGenerator()
        for index in stride(from: 0, to: Self.pieceBytes, by: 8) {
            buffer.storeBytes(of: generator.next(), toByteOffset: index, as: UInt64.self)
        }
        var result = Result(appendNanoseconds: [])
        let page = UnsafeRawBufferPointer(rebasing: buffer[..<Self.appendBytes])
        var position: Int64 = 0
        let start = self.now()
        for _ in 0..<Self.appendsMax {
            let before = self.now()
            guard before - start < Self.appendsTimeMax else { break }
            try file.write([page], at: position)
            try file.syncData()
            result.appendNanoseconds.append(self.now() - before)
            position += Int64(Self.appendBytes)
            self.progress.update(position)
        }
        result.appendNanoseconds.sort()
        let sequentialStart = self.now()
        while result.sequentialBytes + Int64(Self.pieceBytes) <= size {
            guard self.now() - sequentialStart < Self.sequentialTimeMax else { break }
            try file.write([UnsafeRawBufferPointer(buffer)], at: position)
            position += Int64(Self.pieceBytes)
            result.sequentialBytes += Int64(Self.pieceBytes)
            self.progress.update(position)
        }
        if result.sequentialBytes > 0 {
            try file.syncData()
            result.sequentialNanoseconds = max(self.now() - sequentialStart, 1)
        }
        return result
    }

    // MARK: Judgement

    /// An acknowledgement with acks=all waits for a sync: slower, and it is felt.
    static let slowAppend: Int64 = 20_000_000
    /// Bytes per second: less than what one busy producer sends.
    static let slowSequential = 50e6

    static func check(_ result: Result, directory: String) -> DoctorCheck {
        let (p50, p99) = (result.percentile(0.5), result.percentile(0.99))
        var seen = "append of 4 KiB with fdatasync \(Self.text(p50)) (p50), \(Self.text(p99)) (p99)"
        var values = [
            ("appends", Int64(result.appendNanoseconds.count)), ("appendP50Microseconds", p50 / 1000),
            ("appendP99Microseconds", p99 / 1000),
        ]
        if let rate = result.sequentialRate {
            seen += ", \(Quantity.bytes(rate))/s in one piece"
            values.append(("sequentialBytesPerSecond", Int64(rate)))
        } else {
            seen += "; too little room to measure more"
        }
        if p99 > Self.slowAppend {
            return DoctorCheck(
                "disk", directory, .warn, "\(seen): every acknowledgement with acks=all waits so long",
                advice: "use a disk with a lower latency (an SSD with power-loss protection), or see what else uses it",
                values: values)
        }
        if let rate = result.sequentialRate, rate < Self.slowSequential {
            return DoctorCheck(
                "disk", directory, .warn, "\(seen): that is slow", advice: "see what else uses this disk",
                values: values)
        }
        return DoctorCheck("disk", directory, .ok, seen, values: values)
    }

    /// `0.31ms`, `12.0ms`.
    private static func text(_ nanoseconds: Int64) -> String {
        let hundredths = (nanoseconds + 5000) / 10_000
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)ms"
    }
}
