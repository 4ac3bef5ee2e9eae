// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import SimulatedIO
import NIOCore
import Testing

@testable import CommitLog

@Suite("Compaction against a model of it")
struct CompactionModelTests {
    private static func shape(_ step: Int, _ generator: inout SeededGenerator) -> KeyedShape {
        var shape = KeyedShape(
            records: [], timestamp: testNow + Int64(step),
            codec: CompressionCodec.allCases.randomElement(using: &generator)!)
        for index in 0..<Int.random(in: 1...6, using: &generator) {
            let key = "key \(Int.random(in: 0..<12, using: &generator))"
            let value = "\(step).\(index)" + String(repeating: "v", count: Int.random(in: 0..<120, using: &generator))
            shape.records.append((key, generator.oneIn(6) ? nil : value))
        }
        if generator.oneIn(6) { shape.logAppendTime = testNow + Int64(step) }
        return shape
    }

    @Test("a seeded life of puts, deletes, rolls, cleanings and restarts agrees with a dictionary", arguments: 1...12)
    func life(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let disk = SimulatedFileSystem(directories: ["/data"])
        var config = LogConfig.compacted
        config.segmentBytes = 3_000
        config.deleteRetentionMs = Int64.random(in: 0...60, using: &generator)
        config.indexIntervalBytes = 300
        var model = KeyedModel()
        var recoveryPoint: Int64 = 0
        var log = try PartitionLog.openTest("/data", fileSystem: disk, config: config)
        for step in 0..<300 {
            let now = testNow + Int64(step)
            switch Int.random(in: 0..<16, using: &generator) {
            case 0..<8:
                let shape = Self.shape(step, &generator)
                try log.put(keyedBatch(shape), now: now)
                model.append(shape)
            case 8: try log.roll(now: now)
            case 9, 10, 11:
                try log.flush()
                log.advanceHighWatermark(to: log.endOffset)
                try log.clean(now: now, mapByteCount: Int.random(in: 1...30, using: &generator) * OffsetMap.bytesPerKey)
            case 12: recoveryPoint = try log.advanceRecoveryPoint(force: generator.oneIn(2))
            case 13:
                try log.close()
                recoveryPoint = log.recoveryPoint
                log = try PartitionLog.openTest("/data", fileSystem: disk, config: config)
            case 14:
                disk.killProcess()
                log = try PartitionLog.openTest(
                    "/data", fileSystem: disk, config: config, recovery: .unclean(recoveryPoint: recoveryPoint))
            default:
                #expect(try model.problem(of: log) == nil, "\(generator) step \(step)")
            }
            #expect(log.endOffset == Int64(model.records.count), "\(generator) step \(step)")
        }
        // Cleaned whole and once more, each key is there once.
        try log.seal()
        while try log.compactionStatus(now: testNow).isDue { try log.clean(now: testNow) }
        try log.put(keyed("the end=1"))
        model.append(KeyedShape(records: [("the end", "1")]))
        try log.seal()
        try log.clean(now: testNow + 100_000)
        #expect(try model.problem(of: log) == nil, "\(generator)")
        let left = try log.keyedRecords()
        let latest = model.latest(before: log.endOffset).values.filter { $0.value != nil }
        #expect(left.filter { $0.value != nil } == latest.sorted { $0.offset < $1.offset }, "\(generator)")
    }

    @Test("the map agrees with a dictionary, takes what it has room for, and no more than its bytes")
    func map() throws {
        var generator = SeededGenerator(seed: 3)
        let map = try #require(OffsetMap(byteCount: 240))
        #expect(map.countMax == 8)
        let hasher = KeyHasher(seed: testSeed)
        var model: [String: Int64] = [:]
        var refused: Set<String> = []
        for offset in Int64(0)..<2_000 {
            let key = "k\(Int.random(in: 0..<30, using: &generator))"
            let hash = Array(key.utf8).withUnsafeBytes { hasher.hash($0) }
            if map.put(hash, offset: offset) { model[key] = offset } else { refused.insert(key) }
            #expect(map.offset(of: hash) == model[key])
        }
        #expect(model.count == 8 && map.count == 8 && refused.isDisjoint(with: model.keys))
    }

    @Test("keys are hashed as SipHash-2-4-128 says")
    func hash() {
        let seed = CompactionSeed(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)
        let hasher = KeyHasher(seed: seed)
        func hash(_ count: UInt8) -> KeyHash { Array(0..<count).withUnsafeBytes { hasher.hash($0) } }
        // The reference implementation's test vectors for no byte, for one and for fifteen.
        #expect(hash(0) == KeyHash(low: 0xe6a8_25ba_047f_81a3, high: 0x9302_55c7_1472_f66d))
        #expect(hash(1) == KeyHash(low: 0x44af_996b_d8c1_87da, high: 0x45fc_229b_1159_7634))
        #expect(hash(15) != hash(14))
    }

    @Test("groups keep to segment.bytes, to the size of indexes and to 32 bits of relative offset")
    func groups() {
        var config = LogConfig()
        config.segmentBytes = 100
        config.segmentIndexBytes = 120
        func plan(_ segments: [(Int64, Int64, Int64, Int)]) -> [Range<Int>] {
            SegmentGroups.plan(
                segments.map {
                    SegmentGroups.Segment(
                        baseOffset: $0.0, endOffset: $0.1, sizeInBytes: $0.2, offsetIndexCount: $0.3, timeIndexCount: 1)
                }, config: config)
        }
        #expect(plan([]) == [])
        #expect(plan([(0, 10, 40, 1), (10, 20, 60, 1), (20, 30, 1, 1)]) == [0..<2, 2..<3])
        #expect(plan([(0, 10, 400, 1), (10, 20, 0, 1), (20, 30, 1, 1)]) == [0..<1, 1..<3])
        #expect(plan([(0, 10, 1, 8), (10, 20, 1, 7), (20, 30, 1, 1)]) == [0..<2, 2..<3])
        let far = Int64(Int32.max)
        #expect(plan([(0, far, 1, 1), (far, far + 1, 1, 1), (far + 1, far + 2, 1, 1)]) == [0..<2, 2..<3])
    }
}
