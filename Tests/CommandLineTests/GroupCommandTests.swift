// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaTypes
import Testing

@testable import KafkaClient
@testable import martlet

@Suite struct GroupCommandTests {
    private func parse<Command: ParsableCommand>(_: Command.Type, _ arguments: String...) throws -> Command {
        try #require(try Martlet.parseAsRoot(arguments) as? Command)
    }

    private func exitCode(_ arguments: String...) -> Int32? {
        do {
            _ = try Martlet.parseAsRoot(arguments)
            return nil
        } catch {
            return Martlet.exitCode(for: error).rawValue
        }
    }

    private static func partition(_ index: Int32, of topic: String = "orders") -> TopicPartition {
        TopicPartition(topic: topic, partition: PartitionIndex(index))
    }

    // MARK: Arguments

    @Test("groups are listed by state and type, in any case")
    func list() throws {
        let command = try self.parse(
            GroupListCommand.self, "group", "list", "--state", "stable", "--state", "EMPTY", "--type", "Consumer",
            "--format", "json")
        #expect(command.state.map(\.state) == [.stable, .empty])
        #expect(command.type.map(\.type) == [.consumer])
        #expect(command.format.output == .json)
        #expect(self.exitCode("group", "list", "--state", "asleep") == 64)
        #expect(self.exitCode("group", "list", "--type", "modern") == 64)
    }

    @Test("exactly one target and one kind of partitions have to be said")
    func resetArguments() throws {
        #expect(self.exitCode("group", "reset-offsets", "g", "--to-earliest") == 64)
        #expect(self.exitCode("group", "reset-offsets", "g", "--all-topics") == 64)
        #expect(self.exitCode("group", "reset-offsets", "g", "--all-topics", "--topic", "t", "--to-latest") == 64)
        #expect(self.exitCode("group", "reset-offsets", "g", "--topic", "t", "--to-latest", "--to-earliest") == 64)
        #expect(self.exitCode("group", "reset-offsets", "g", "--topic", "t", "--to-offset", "-1") == 64)
        #expect(self.exitCode("group", "reset-offsets", "g", "--topic", "t", "--to-datetime", "soon") == 64)
        #expect(self.exitCode("group", "reset-offsets", "g", "--topic", "t", "--by-duration", "1h") == 64)
        #expect(self.exitCode("group", "delete-offsets", "g") == 64)
    }

    @Test(
        "a target is what its option says",
        arguments: [
            (["--to-earliest"], OffsetTarget.earliest), (["--to-latest"], .latest), (["--to-offset", "7"], .offset(7)),
            (["--to-datetime", "1970-01-02T00:00:00Z"], .time(86_400_000)), (["--shift-by", "-5"], .shift(-5)),
            (["--shift-by", "5"], .shift(5)), (["--by-duration", "PT1H"], .time(6_400_000)),
        ])
    func targets(options: [String], target: OffsetTarget) throws {
        let arguments = ["group", "reset-offsets", "g", "--topic", "t:0,2-4", "--topic", "u"] + options
        let command = try #require(try Martlet.parseAsRoot(arguments) as? GroupResetOffsetsCommand)
        #expect(command.targets(now: 10_000_000) == [target])
        #expect(
            command.topic == [
                PartitionSelection(topic: "t", partitions: [0, 2, 3, 4]), PartitionSelection(topic: "u"),
            ])
        #expect(command.execute == false)
    }

    @Test(
        "partitions that make no sense are refused", arguments: ["", ":", "t:", "t:x", "t:-1", "t:3-1", "t:0-2000000"])
    func badSelections(text: String) { #expect(PartitionSelection(argument: text) == nil) }

    @Test("partitions are written as they are read")
    func shortText() {
        let partitions = [0, 1, 2, 5].map { Self.partition($0) } + [Self.partition(7, of: "refunds")]
        #expect(partitions.shortText == "orders:0-2,5 refunds:7")
        #expect([TopicPartition]().shortText == "-")
    }

    @Test(
        "durations are ISO 8601",
        arguments: [
            ("PT1H", 3_600_000), ("PT90S", 90_000), ("P1DT12H", 129_600_000), ("PT0.25S", 250), ("P1W", 604_800_000),
            ("pt1m", 60_000), ("PT1H30M", 5_400_000), ("PT0S", 0),
        ])
    func durations(text: String, milliseconds: Int64) {
        #expect(ISODuration(argument: text)?.milliseconds == milliseconds)
    }

    @Test(
        "durations that make no sense are refused",
        arguments: [
            "", "P", "PT", "1H", "PT1", "P1H", "PT1D", "P1Y", "PT1M1H", "PT-1H", "P1DT", "PT99999999999999999H",
        ])
    func badDurations(text: String) { #expect(ISODuration(argument: text) == nil) }

    @Test("times are shown in the units that matter")
    func shortDurations() {
        let expected: [(Duration, String)] = [
            (.zero, "0s"), (.milliseconds(350), "350ms"), (.milliseconds(3250), "3.2s"), (.seconds(320), "5m20s"),
            (.seconds(7800), "2h10m"), (.seconds(273_600), "3d4h"),
        ]
        for (duration, text) in expected { #expect(duration.shortText == text) }
    }

    // MARK: Resetting

    private static func reset(_ target: OffsetTarget, old: Int64?, found: Int64? = nil) -> PlannedReset.Row? {
        var reset = PlannedReset()
        reset.add(
            Self.partition(0), target, old: old.map { Offset($0) }, earliest: 10, latest: 100,
            found: found.map { Offset($0) })
        return reset.rows.first
    }

    private static func json(_ reset: PlannedReset) -> String {
        var json = JSONWriter()
        reset.write(to: &json, group: "g", isExecuted: false)
        return json.text
    }

    @Test("new offsets stay in the partition, and a note says when that was not what was asked for")
    func clamping() {
        #expect(Self.reset(.earliest, old: 50)?.new == 10)
        #expect(Self.reset(.latest, old: 50)?.new == 100)
        #expect(Self.reset(.offset(42), old: nil)?.new == 42)
        #expect(Self.reset(.offset(42), old: nil)?.note == nil)
        let early = Self.reset(.offset(3), old: 50)
        #expect(early?.new == 10)
        #expect(early?.note == "3 is before the first record that is still there")
        let late = Self.reset(.shift(60), old: 50)
        #expect(late?.new == 100)
        #expect(late?.note == "110 is after the end")
        #expect(Self.reset(.shift(.min), old: 50)?.new == 10)
        #expect(Self.reset(.shift(.max), old: 50)?.new == 100)
        #expect(Self.reset(.time(5), old: 50, found: 33)?.new == 33)
        let never = Self.reset(.time(5), old: 50)
        #expect(never?.new == 100)
        #expect(never?.note == "no record since then: the end")
    }

    @Test("what is not committed cannot be shifted and is left alone")
    func nothingToShift() {
        let row = Self.reset(.shift(-1), old: nil)
        #expect(row?.new == nil)
        #expect(row?.note == "left alone: there is no committed offset to shift")
    }

    @Test("only what changes is committed, and the table shows old and new")
    func resetTable() {
        var reset = PlannedReset()
        reset.add(Self.partition(0), .earliest, old: 10, earliest: 10, latest: 20, found: nil)
        reset.add(Self.partition(1), .earliest, old: 15, earliest: 10, latest: 20, found: nil)
        reset.add(Self.partition(2), .earliest, old: nil, earliest: 0, latest: 20, found: nil)
        reset.leaveAlone(Self.partition(3), old: 4, because: "the topic orders does not exist")
        #expect(reset.changes == [Self.partition(1): 10, Self.partition(2): 0])
        #expect(
            reset.table.lines() == [
                "TOPIC   PARTITION  OLD  NEW  CHANGE  NOTE",
                "orders          0   10   10      +0",
                "orders          1   15   10      -5",
                "orders          2    -    0       -",
                "orders          3    4    -       -  left alone: the topic orders does not exist",
            ])
        #expect(
            Self.json(reset).hasPrefix(
                #"{"group":"g","executed":false,"partitions":[{"topic":"orders","partition":0,"old":10,"new":10,"#
                    + #""note":null},"#))
    }

    @Test("members that are in the way are named, a few of them")
    func namedMembers() {
        let members = (1...7).map { number in
            var member = Self.member("app-\(number)", assignment: [])
            if number == 2 { member.instanceID = "pod-2" }
            if number == 3 { (member.instanceID, member.memberEpoch) = ("pod-3", -2) }
            return member
        }
        #expect(
            OffsetResetPlanner.list(members)
                == "7 members: app-1 at 10.0.0.1, app-2 (instance pod-2) at 10.0.0.1,"
                + " app-3 (instance pod-3, away: its place is kept for a while) at 10.0.0.1, app-4 at 10.0.0.1, app-5 at 10.0.0.1, 2 more"
        )
        #expect(OffsetResetPlanner.list(Array(members.prefix(1))) == "a member: app-1 at 10.0.0.1")
    }

    // MARK: Describing

    private static func member(_ client: String, assignment: [TopicPartition]) -> GroupMember {
        GroupMember(
            memberID: "id-of-\(client)", instanceID: nil, rackID: nil, clientID: client, clientHost: "/10.0.0.1",
            memberEpoch: 7, usesClassicProtocol: false, subscribedTopics: ["orders"], subscribedRegex: nil,
            assignment: assignment, targetAssignment: assignment)
    }

    private static func page() -> GroupPage {
        let partitions = (0..<4).map { Self.partition($0) }
        var slow = Self.member("slow", assignment: [partitions[0], partitions[2]])
        slow.targetAssignment = [partitions[0]]
        let group = GroupDescription(
            groupID: "payments", type: .consumer, state: .reconciling, protocolType: "consumer",
            coordinator: BrokerDescription(nodeID: 1, address: BrokerAddress(host: "k1"), rack: nil),
            assignor: "uniform", groupEpoch: 8, assignmentEpoch: 7,
            members: [Self.member("fast", assignment: [partitions[1]]), slow])
        func offset(_ offset: Int64, end: Int64, _ time: Duration?) -> Result<GroupOffset, KafkaClientError> {
            .success(
                GroupOffset(
                    offset: Offset(offset), leaderEpoch: 3, metadata: "", endOffset: Offset(end), lag: end - offset,
                    timeLag: time))
        }
        return GroupPage(
            group,
            offsets: [
                partitions[0]: offset(90, end: 100, .milliseconds(3250)), partitions[1]: offset(50, end: 50, .zero),
                partitions[3]: offset(7, end: 9, nil),
            ],
            ends: [partitions[2]: .success(ListedOffset(offset: 12, timestamp: nil, leaderEpoch: .none))])
    }

    @Test("describe shows every partition that is committed or assigned")
    func describe() {
        #expect(
            Self.page().lines(showsMembers: true) == [
                "payments",
                "  state        Reconciling",
                "  type         consumer",
                "  coordinator  1 at k1:9092",
                "  assignor     uniform",
                "  epoch        8, assignment of 7",
                "  members      2",
                "  lag          12 offsets, 3.2s, nothing committed for 1 of 4 partitions",
                "",
                "  TOPIC   PARTITION  COMMITTED  END  LAG  BEHIND  CLIENT  HOST      MEMBER",
                "  orders          0         90  100   10    3.2s  slow    10.0.0.1  id-of-slow",
                "  orders          1         50   50    0      0s  fast    10.0.0.1  id-of-fast",
                "  orders          2          -   12    -       -  slow    10.0.0.1  id-of-slow",
                "  orders          3          7    9    2       -  -       -         -",
                "",
                "  CLIENT  HOST      MEMBER      INSTANCE  EPOCH  PROTOCOL  PARTITIONS  ASSIGNMENT  TARGET"
                    + "    SUBSCRIPTION",
                "  fast    10.0.0.1  id-of-fast  -             7  consumer           1  orders:1    orders:1"
                    + "  orders",
                "  slow    10.0.0.1  id-of-slow  -             7  consumer           2  orders:0,2  orders:0"
                    + "  orders",
            ])
    }

    @Test("describe as JSON")
    func json() {
        var json = JSONWriter()
        Self.page().write(to: &json)
        #expect(
            json.text.hasPrefix(
                #"{"group":"payments","state":"Reconciling","type":"consumer","protocolType":"consumer","#
                    + #""coordinator":{"id":1,"host":"k1","port":9092},"assignor":"uniform","groupEpoch":8,"#
                    + #""assignmentEpoch":7,"partitions":[{"topic":"orders","partition":0,"committedOffset":90,"#
                    + #""leaderEpoch":3,"metadata":"","endOffset":100,"lag":10,"timeLagMs":3250,"member":"id-of-slow"},"#
            ))
        #expect(
            json.text.hasSuffix(
                #""subscribedTopics":["orders"],"subscribedRegex":null,"assignment":{"orders":[0,2]},"#
                    + #""targetAssignment":{"orders":[0]}}]}"#))
    }

    @Test("a group that has committed nothing says so, and what is unreadable is told")
    func bareGroup() {
        var member = Self.member("odd", assignment: [])
        member.isUnreadable = true
        let group = GroupDescription(
            groupID: "workers", type: .classic, state: .stable, protocolType: "connect",
            coordinator: BrokerDescription(nodeID: 1, address: BrokerAddress(host: "k1"), rack: nil), assignor: "",
            members: [member])
        let page = GroupPage(group, offsets: [:])
        #expect(page.lines(showsMembers: false).contains("  protocol     connect"))
        #expect(page.lines(showsMembers: false).last == "  lag          nothing committed")
        #expect(page.warnings.count == 1)
    }

    @Test("the table of groups shows what old brokers do not tell as unknown")
    func listTable() {
        let groups = [
            GroupListing(groupID: "a", protocolType: "consumer", state: .stable, type: .consumer),
            GroupListing(groupID: "b", protocolType: "", state: nil, type: nil),
        ]
        #expect(
            GroupListCommand.table(of: groups).lines() == [
                "GROUP  STATE   TYPE      PROTOCOL", "a      Stable  consumer  consumer", "b      -       -         -",
            ])
    }
}
