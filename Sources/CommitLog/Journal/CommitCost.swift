// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Decides how the appends of a commit cycle become durable: by syncing the segment files that they were written to, or
/// by writing them a second time, to the journal, and syncing only that. Pure.
///
/// | way | costs |
/// | --- | --- |
/// | segments | `fileSync` for each file: data, inode and the file system's own journal, as the file has grown |
/// | journal | `journalSync` once, as its file does not grow, and `journalKiB` for each KiB: a read, a checksum, a write |
///
/// The bytes of the segments have to reach the disk either way, now or in the background, so they are on neither side.
/// Costs are in nanoseconds; they were measured on ext4 and NVMe, and what counts are their ratios.
struct CommitCost: Sendable, Hashable {
    /// An fdatasync of a file that has grown: 0.14 ms for 200 bytes, 0.33 ms for 16 KiB.
    var fileSync: Int64 = 250_000
    /// The same where many files are written out together before: 70 ms for 1,000 files.
    var fileSyncInBulk: Int64 = 70_000
    /// An fdatasync of a file that was written before at that place: 0.10 to 0.12 ms.
    var journalSync: Int64 = 110_000
    /// What 1 KiB costs in the journal: 0.6 ms for 1 MiB on the way to the disk, and the work of the processor.
    var journalKiB: Int64 = 1_000

    /// Says for each log with so many undurable bytes whether it goes to the journal. Linear.
    ///
    /// A log goes there if that is cheaper than syncing its file; all those together only if they save more than the
    /// sync of the journal costs.
    func journaled(_ byteCounts: [Int64]) -> [Bool] {
        let fileSync = byteCounts.count >= Self.bulkCount ? self.fileSyncInBulk : self.fileSync
        var saved: Int64 = 0
        var choice: [Bool] = []
        choice.reserveCapacity(byteCounts.count)
        for byteCount in byteCounts {
            // Looked at in this order, the product cannot overflow.
            let isSmall = byteCount <= Self.byteCountMax
            let cost = isSmall ? byteCount * self.journalKiB / 1_024 : .max
            let isCheaper = cost < fileSync
            if isCheaper { saved += fileSync - cost }
            choice.append(isCheaper)
        }
        return saved > self.journalSync ? choice : byteCounts.map { _ in false }
    }

    /// From so many logs on, the whole file system is written out before their files are synced: then the sync of each
    /// has little to do, and only tells whether all went well. With fewer it would gain little, and hold up for tens of
    /// milliseconds what commits meanwhile.
    static let bulkCount = 64

    /// More bytes of one log than these never go to the journal, whatever they cost: an entry has to fit in a file.
    static let byteCountMax: Int64 = 1 << 20
}
