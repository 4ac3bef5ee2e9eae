// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaClient
import KafkaMessages
import KafkaTypes
import SimulatedIO
import Testing

@testable import martlet

@Suite struct DoctorTests {
    @Test("the report has a line per check, the advice below it, and the sums")
    func report() {
        let report = DoctorReport(checks: [
            DoctorCheck("name", "a:1", .ok, "an address"),
            DoctorCheck("advertised", "a:1", .fail, "nobody is there", advice: "call them", values: [("n", 15)]),
        ])
        #expect(
            report.lines() == [
                "ok    name        a:1: an address", "fail  advertised  a:1: nobody is there", "      next: call them",
                "2 checks: 1 ok, 0 warn, 1 fail, 0 skip",
            ])
        #expect(!report.isSound)
        var json = JSONWriter()
        report.write(to: &json)
        #expect(json.text.hasPrefix(#"{"sound":false,"ok":1,"warn":0,"fail":1,"skip":0,"checks":[{"check":"name","#))
        #expect(json.text.hasSuffix(#""advice":"call them","values":{"n":15}}]}"#))
    }

    @Test("a warning is no failure")
    func warnings() { #expect(DoctorReport(checks: [DoctorCheck("clock", "", .warn, "late")]).isSound) }

    @Test(
        "open files are judged by how far the broker may raise them",
        arguments: [(100, .fail), (1024, .warn), (20_000, .ok), (Int64.max, .ok)] as [(Int64, DoctorCheck.Outcome)])
    func openFiles(hard: Int64, outcome: DoctorCheck.Outcome) {
        var facts = HostFacts()
        facts.openFilesSoft = 100
        facts.openFilesHard = hard
        #expect(HostJudgement.openFiles(facts).outcome == outcome)
    }

    @Test("a clock that nothing keeps right is a warning, one that nobody knows of is no finding")
    func clock() {
        var facts = HostFacts()
        #expect(HostJudgement.clock(facts).outcome == .skip)
        facts.clock = .init(isSynchronized: true, errorMaxMicroseconds: 20_000)
        #expect(HostJudgement.clock(facts).outcome == .ok)
        facts.clock?.errorMaxMicroseconds = 2_000_000
        #expect(HostJudgement.clock(facts).outcome == .warn)
        facts.clock?.isSynchronized = false
        #expect(HostJudgement.clock(facts).outcome == .warn)
    }

    @Test(
        "free space is measured against the mark below which Produce is refused",
        arguments: [
            (100, nil, .ok), (10, nil, .fail), (1, 0, .ok), (99, 100, .fail), (150, 100, .warn), (200, 100, .ok),
        ] as [(Int64, Int64?, DoctorCheck.Outcome)])
    func freeSpace(usableMiB: Int64, markMiB: Int64?, outcome: DoctorCheck.Outcome) {
        let check = HostJudgement.freeSpace(
            directory: "/d", total: 200 << 20, usable: usableMiB << 20, configuredMark: markMiB.map { $0 << 20 })
        #expect(check.outcome == outcome)
    }

    @Test("the mark that nobody set is a twentieth, within bounds")
    func mark() {
        #expect(HostJudgement.freeMark(configured: -1, total: 4 << 30) == (4 << 30) / 20)
        #expect(HostJudgement.freeMark(configured: nil, total: 1 << 40) == 1 << 30)
        #expect(HostJudgement.freeMark(configured: nil, total: 512 << 20) == 64 << 20)
        #expect(HostJudgement.freeMark(configured: nil, total: 100 << 20) == 25 << 20)
        #expect(HostJudgement.freeMark(configured: 7, total: 1 << 40) == 7)
    }

    @Test("less memory than Martlet is tested with is a warning, and the control group's limit counts")
    func memory() {
        #expect(HostFacts.memoryTotal("MemFree: 1 kB\nMemTotal:       2048 kB\n") == 2 << 20)
        var facts = HostFacts()
        facts.memoryTotal = 8 << 30
        facts.memoryLimit = 32 << 20
        #expect(HostJudgement.memory(facts).outcome == .warn)
        facts.memoryLimit = 64 << 20
        #expect(HostJudgement.memory(facts).outcome == .ok)
    }

    @Test("the file system of a path is that of the longest mount point above it")
    func mounts() {
        let mounts = """
            overlay / overlay rw 0 0
            /dev/sda /var/lib ext4 rw 0 0
            tmpfs /var/lib/my\\040data tmpfs rw 0 0
            """
        #expect(HostFacts.fileSystemType(of: "/var/lib/martlet", mounts: mounts) == "ext4")
        #expect(HostFacts.fileSystemType(of: "/var/library", mounts: mounts) == "overlay")
        #expect(HostFacts.fileSystemType(of: "/var/lib/my data/x", mounts: mounts) == "tmpfs")
        #expect(HostJudgement.fileSystem(directory: "/d", type: "overlay").outcome == .warn)
        #expect(HostJudgement.fileSystem(directory: "/d", type: "tmpfs").outcome == .warn)
        #expect(HostJudgement.fileSystem(directory: "/d", type: "xfs").outcome == .ok)
    }

    @Test("an address that nobody can connect to fails, one of this very machine warns those who come from elsewhere")
    func hosts() {
        let outside = [BrokerAddress(host: "broker.example.com")]
        func outcomes(_ host: String, _ origins: [BrokerAddress]) -> [DoctorCheck.Outcome] {
            ClusterChecks.judgeHost(BrokerAddress(host: host), origins: origins).map(\.outcome)
        }
        #expect(outcomes("0.0.0.0", outside) == [.fail])
        #expect(outcomes("localhost", outside) == [.warn])
        #expect(outcomes("127.0.0.1", [BrokerAddress(host: "localhost")]) == [])
        #expect(outcomes("broker.example.com", outside) == [])
    }

    @Test("the disk is measured within bounds, and the file is gone afterwards")
    func disk() throws {
        let fileSystem = SimulatedFileSystem(directories: ["/data"])
        var time: Int64 = 0
        // A millisecond passes between two looks at the clock.
        let tick: () -> Int64 = {
            time += 1_000_000
            return time
        }
        let probe = DiskProbe(
            fileSystem: fileSystem, directory: "/data", now: tick,
            progress: ProgressBar("disk", unit: .bytes, total: 1, isWanted: false))
        let result = try probe.run(room: 100 << 20)
        #expect(result.appendNanoseconds.count == DiskProbe.appendsMax)
        #expect(result.percentile(0.5) == 1_000_000)
        #expect(result.sequentialBytes == 10 << 20)
        #expect(try fileSystem.list("/data") == [])
        #expect(DiskProbe.check(result, directory: "/data").outcome == .ok)
    }

    @Test("a slow disk is stopped early, and a warning")
    func slowDisk() throws {
        let fileSystem = SimulatedFileSystem(directories: ["/data"])
        var time: Int64 = 0
        let tick: () -> Int64 = {
            time += 100_000_000
            return time
        }
        let probe = DiskProbe(
            fileSystem: fileSystem, directory: "/data", now: tick,
            progress: ProgressBar("disk", unit: .bytes, total: 1, isWanted: false))
        let result = try probe.run(room: .max)
        #expect(result.appendNanoseconds.count < 15)
        #expect(DiskProbe.check(result, directory: "/data").outcome == .warn)
        #expect(try fileSystem.list("/data") == [])
    }

    @Test("a disk that fails is told, and leaves no file")
    func brokenDisk() throws {
        let fileSystem = SimulatedFileSystem(directories: ["/data"])
        let checks = LocalChecks(fileSystem: fileSystem, facts: HostFacts(), broker: .init())
        #expect(checks.directory("/nowhere", writes: true).map(\.outcome) == [.fail])
    }
}

@Suite struct HealthTests {
    private static let address = BrokerAddress(host: "a", port: 1)

    @Test("health is one line, in text and in JSON")
    func healthy() {
        var probe = BrokerProbe(address: Self.address)
        probe.clusterID = "c"
        probe.controller = 1
        probe.brokers = [.init(nodeID: 1, address: Self.address)]
        let report = HealthVerdict(addresses: [Self.address], probe: probe, took: .milliseconds(3))
        #expect(report.isHealthy)
        #expect(report.line() == "healthy: a:1, cluster c, controller 1, 3ms")
        var json = JSONWriter()
        report.write(to: &json)
        #expect(
            json.text
                == #"{"healthy":true,"address":"a:1","clusterId":"c","controller":1,"brokers":1,"problems":[],"#
                + #""milliseconds":3}"#)
    }

    @Test("what clients could not work with is unhealthy, and says why")
    func unfit() {
        var probe = BrokerProbe(address: Self.address)
        probe.obstacles = ["there is no controller", "orders-0 has no leader"]
        let report = HealthVerdict(addresses: [Self.address], probe: probe, took: .zero)
        #expect(!report.isHealthy)
        #expect(report.line() == "unhealthy: a:1: there is no controller; orders-0 has no leader")
        let failure = HealthVerdict(
            addresses: [Self.address], failure: KafkaClientError(.timedOut, "a:1: no answer"), took: .zero)
        #expect(failure.line() == "unhealthy: a:1: no answer")
        var json = JSONWriter()
        failure.write(to: &json)
        let unknown = #""clusterId":null,"controller":null,"brokers":null"#
        #expect(
            json.text
                == #"{"healthy":false,"address":"a:1",\#(unknown),"problems":["a:1: no answer"],"milliseconds":0}"#)
    }

    @Test("partitions without a leader are named, the first one and how many more")
    func leaders() {
        var response = MetadataResponse()
        var topic = MetadataResponse.MetadataResponseTopic()
        topic.name = "orders"
        topic.partitions = ([-1, 1, -1] as [Int32]).enumerated().map { index, leader in
            var partition = MetadataResponse.MetadataResponsePartition()
            partition.partitionIndex = Int32(index)
            partition.leaderID = leader
            return partition
        }
        response.topics = [topic]
        #expect(BrokerProbe.obstacles(in: response) == ["orders-0 and 1 more have no leader"])
        topic.partitions.removeLast()
        response.topics = [topic]
        #expect(BrokerProbe.obstacles(in: response) == ["orders-0 has no leader"])
        topic.partitions.removeFirst()
        response.topics = [topic]
        #expect(BrokerProbe.obstacles(in: response) == [])
    }
}
