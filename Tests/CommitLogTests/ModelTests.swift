// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaRecords
import KafkaTypes
import SimulatedIO
import NIOCore
import Testing

/// A log as one would write it on a napkin: all records in an array, all producers in a dictionary.
private struct ModelLog {
    struct Producer {
        var epoch: Int16
        var batches: [(first: Int32, last: Int32, offset: Int64)]
    }

    var records: [SeenRecord] = []
    var timestamps: [Int64] = []
    var logStart: Int64 = 0
    var flushed: Int64 = 0
    var producers: [Int64: Producer] = [:]

    var end: Int64 { Int64(self.records.count) }

    enum Answer: Equatable { case at(Int64), duplicate(Int64), refused }

    mutating func append(_ shape: BatchShape) -> Answer {
        if shape.producerID >= 0, let known = self.producers[shape.producerID] {
            let last = Int32(Int64(shape.sequence) + Int64(shape.values.count) - 1)
            if shape.epoch < known.epoch { return .refused }
            if shape.epoch > known.epoch {
                if shape.sequence != 0 { return .refused }
            } else if let same = known.batches.last(where: { $0.first == shape.sequence && $0.last == last }) {
                return .duplicate(same.offset)
            } else if shape.sequence != (known.batches.last?.last ?? -1) + 1 {
                return .refused
            }
        }
        let base = self.end
        for (index, value) in shape.values.enumerated() {
            self.records.append(SeenRecord(offset: base + Int64(index), value: value))
            self.timestamps.append(shape.timestamps![index])
        }
        if shape.producerID >= 0 {
            var producer = self.producers[shape.producerID] ?? Producer(epoch: shape.epoch, batches: [])
            if producer.epoch != shape.epoch { producer = Producer(epoch: shape.epoch, batches: []) }
            let last = shape.sequence + Int32(shape.values.count) - 1
            producer.batches = (producer.batches + [(shape.sequence, last, base)]).suffix(5)
            self.producers[shape.producerID] = producer
        }
        return .at(base)
    }

    /// After a clean restart only the last batch of a producer is remembered.
    mutating func restartedCleanly() {
        for id in self.producers.keys { self.producers[id]!.batches = self.producers[id]!.batches.suffix(1) }
    }
}

@Suite("The log against a model of it")
struct ModelTests {
    private static func shape(_ step: Int, _ model: ModelLog, _ generator: inout SeededGenerator) -> BatchShape {
        let count = Int.random(in: 1...4, using: &generator)
        var shape = BatchShape(
            values: (0..<count).map {
                "\(step).\($0)-" + String(repeating: "v", count: Int.random(in: 0..<200, using: &generator))
            },
            timestamps: (0..<count).map { _ in testNow + Int64.random(in: -500...500, using: &generator) },
            codec: CompressionCodec.allCases.randomElement(using: &generator)!)
        guard generator.oneIn(2) else { return shape }
        shape.producerID = Int64.random(in: 0..<3, using: &generator)
        let known = model.producers[shape.producerID]
        shape.epoch = (known?.epoch ?? 0) + (generator.oneIn(10) ? Int16.random(in: -1...1, using: &generator) : 0)
        if shape.epoch < 0 { shape.epoch = 0 }
        let next = (known?.batches.last?.last ?? -1) + 1
        shape.sequence = shape.epoch == known?.epoch || known == nil ? next : 0
        if let again = known?.batches.randomElement(using: &generator), generator.oneIn(4) {
            shape.epoch = known!.epoch
            shape.sequence = again.first
            let values = Int(again.last - again.first) + 1
            shape.values = (0..<values).map { "again \(step).\($0)" }
            shape.timestamps = shape.values.map { _ in testNow }
        } else if generator.oneIn(8) {
            shape.sequence += Int32.random(in: 1...3, using: &generator)
        }
        return shape
    }

    private static func append(
        _ count: Int, _ step: Int, to log: PartitionLog, _ model: inout ModelLog, _ generator: inout SeededGenerator
    ) {
        var shapes: [BatchShape] = []
        var expected: [ModelLog.Answer] = []
        for index in 0..<count {
            let shape = self.shape(step * 10 + index, model, &generator)
            shapes.append(shape)
            expected.append(model.append(shape))
        }
        let answers = log.append(shapes.map { makeBatch($0) }, leaderEpoch: Int32(step / 50), now: testNow)
        for (answer, wanted) in zip(answers, expected) {
            switch answer {
            case .success(let result):
                #expect(
                    wanted == (result.isDuplicate ? .duplicate(result.baseOffset) : .at(result.baseOffset)),
                    "\(generator)")
            case .failure(let error):
                #expect(wanted == .refused, "\(generator): \(error)")
            }
        }
    }

    private static func compare(_ log: PartitionLog, _ model: ModelLog, _ generator: inout SeededGenerator) throws {
        #expect(log.endOffset == model.end && log.logStartOffset == model.logStart, "\(generator)")
        guard model.end > model.logStart else { return }
        let from = Int64.random(in: model.logStart..<model.end, using: &generator)
        let limit = Int64.random(in: from...model.end, using: &generator)
        let read = try log.records(from: from, upTo: limit, maxBytes: Int.random(in: 1...5_000, using: &generator))
        // A batch that contains the limit is left out whole.
        let expected = model.records[Int(from)..<Int(limit)]
        #expect(Array(expected.prefix(read.count)) == read && expected.count - read.count < 4, "\(generator)")
        #expect(try log.records(from: from) == Array(model.records[Int(from)...]), "\(generator)")
        let time = testNow + Int64.random(in: -510...510, using: &generator)
        let found = try log.offsetForTimestamp(time)?.offset
        let wanted = model.timestamps.indices.first { $0 >= Int(model.logStart) && model.timestamps[$0] >= time }
        #expect(found == wanted.map { Int64($0) }, "\(generator): timestamp \(time)")
    }

    @Test("a seeded life of appends, reads, flushes, deletions and restarts agrees with the model", arguments: 1...12)
    func life(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let disk = SimulatedFileSystem(directories: ["/data"])
        var config = LogConfig()
        config.segmentBytes = 4_000
        config.indexIntervalBytes = 400
        config.retentionMs = -1
        config.fileDeleteDelayMs = 0
        var model = ModelLog()
        var recoveryPoint: Int64 = 0
        var log = try PartitionLog.openTest("/data", fileSystem: disk, config: config)
        func reopen(_ recovery: PartitionLog.Recovery) throws -> PartitionLog {
            try PartitionLog.openTest(
                "/data", fileSystem: disk, config: config, recovery: recovery, logStartOffset: model.logStart)
        }
        for step in 0..<250 {
            switch Int.random(in: 0..<20, using: &generator) {
            case 0..<11: Self.append(Int.random(in: 1...4, using: &generator), step, to: log, &model, &generator)
            case 11, 12:
                try log.flush()
                #expect(log.flushedOffset == model.end)
                log.advanceHighWatermark(to: model.end)
            case 13: recoveryPoint = try log.advanceRecoveryPoint(force: generator.oneIn(2))
            case 14:
                log.advanceHighWatermark(to: log.endOffset)
                model.logStart = try log.deleteRecords(
                    before: Int64.random(in: model.logStart...model.end, using: &generator))
            case 15: try log.applyRetention(now: testNow)
            case 16: try log.roll(now: testNow)
            case 17:
                try log.close()
                recoveryPoint = log.recoveryPoint
                model.restartedCleanly()
                log = try reopen(.clean)
            case 18:
                disk.killProcess()
                log = try reopen(.unclean(recoveryPoint: recoveryPoint))
                // A snapshot may have reduced the memory of producers: what is remembered is asked for below.
                model.restartedCleanly()
            default: try Self.compare(log, model, &generator)
            }
        }
        try Self.compare(log, model, &generator)
        try log.close()
        log = try reopen(.clean)
        try Self.compare(log, model, &generator)
    }
}
