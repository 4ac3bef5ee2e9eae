// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import CommitLog
import KafkaTypes
import Logging

// What the broker does about a disk that is full, and when it no longer is.

extension Broker {
    /// Has the watch tell the rest of the broker. Once, at the start.
    func handleSpace() {
        self.space.handle(
            with: DiskSpaceWatch.Handlers(
                makeRoom: { [weak self] in self?.makeRoom() },
                opened: { [weak self] in self?.serveWhatHadNoRoom() }
            )
        )
    }

    /// Has retention done now, on all IO threads, and the files of deleted segments removed without delay.
    private func makeRoom() {
        let now = self.clock.wallMilliseconds()
        for partition in self.topics.all.flatMap(\.partitions) {
            partition.ioThread.submit { [logger] in
                do throws(LogError) {
                    _ = try partition.log.applyRetention(now: now)
                    try partition.log.freeDeletedSegments()
                } catch {
                    if case .closed = error { return }
                    // Without room it fails again and again, and there is a message about that already.
                    logger.log(
                        level: error.isFull ? .debug : .error,
                        "retention on a full disk failed; it is tried again",
                        metadata: ["partition": "\(partition.topicPartition)", "error": "\(error)"]
                    )
                }
            }
        }
    }

    /// Why topics and partitions cannot be made now; nil while there is room.
    func refusalForWantOfRoom(_ what: String) -> MetadataError? {
        if self.space.hasRoom { return nil }
        return MetadataError(.storage, "\(what) cannot be made: \(self.space.explanation)")
    }
}
