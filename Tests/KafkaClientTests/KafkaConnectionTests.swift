// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaRecords
import KafkaWire
import NIOCore
import NIOEmbedded
import Testing

@testable import KafkaClient

@Suite struct KafkaConnectionTests {
    private static let served: [APIKey: ClosedRange<Int16>] = [
        .apiVersions: 0...4, .metadata: 0...13, .produce: 0...12,
    ]

    /// The code of the error that `body` throws, and its message.
    private func failure(_ body: @Sendable () async throws -> Void) async -> KafkaClientError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? KafkaClientError
        }
    }

    // MARK: Versions

    @Test("the first request asks for versions in the newest version, and says who asks")
    func firstRequest() async throws {
        let broker = try await ScriptedBroker()
        async let connection = broker.connect(KafkaConnectionConfiguration(clientID: "tester"))
        let request = try await broker.nextRequest()
        #expect(request.api == .apiVersions)
        #expect(request.version == 4)
        #expect(request.clientID == "tester")
        let body = try ApiVersionsRequest.decode(request.body, version: 4)
        #expect(body.clientSoftwareName == "martlet")
        try await broker.answer(request, with: ScriptedBroker.versions(Self.served))
        let versions = try await connection.versions
        #expect(versions[.metadata] == 0...13)
        #expect(versions[.fetch] == nil)
    }

    @Test("a broker that finds ApiVersions 4 too new is asked again in version 0")
    func fallback() async throws {
        let broker = try await ScriptedBroker()
        async let connection = broker.connect()
        let first = try await broker.nextRequest()
        try await broker.answer(
            first, with: ScriptedBroker.versions([:], errorCode: .unsupportedVersion), version: 0)
        let second = try await broker.nextRequest()
        #expect(second.version == 0)
        try await broker.answer(second, with: ScriptedBroker.versions(Self.served))
        #expect(try await connection.versions[.produce] == 0...12)
    }

    @Test("a refusal of ApiVersions 4 that is not in version 0 is understood, too: librdkafka's mock sends such")
    func fallbackFromOddRefusal() async throws {
        let broker = try await ScriptedBroker()
        async let connection = broker.connect()
        let first = try await broker.nextRequest()
        var frame = ByteBuffer()
        frame.writeInteger(Int32(17))
        frame.writeInteger(first.correlationID)
        frame.writeInteger(ErrorCode.unsupportedVersion.rawValue)
        // As flexible versions write it, the count one too small: ApiVersions 0 to 2, no tags, no throttling.
        frame.writeBytes([1, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0] as [UInt8])
        frame.setInteger(Int32(frame.readableBytes - 4), at: 0)
        try await broker.send(frame)
        let second = try await broker.nextRequest()
        #expect(second.version == 0)
        try await broker.answer(second, with: ScriptedBroker.versions(Self.served))
        #expect(try await connection.versions[.produce] == 0...12)
    }

    @Test("a broker that says which ApiVersions it serves is asked in the highest of them")
    func fallbackToNamedVersion() async throws {
        let broker = try await ScriptedBroker()
        async let connection = broker.connect()
        let first = try await broker.nextRequest()
        try await broker.answer(
            first, with: ScriptedBroker.versions([.apiVersions: 0...3], errorCode: .unsupportedVersion), version: 0)
        let second = try await broker.nextRequest()
        #expect(second.version == 3)
        try await broker.answer(second, with: ScriptedBroker.versions(Self.served))
        #expect(try await connection.versions[.metadata] == 0...13)
    }

    @Test("a broker that refuses every version is not asked for ever")
    func endlessRefusal() async throws {
        let broker = try await ScriptedBroker()
        async let connectionFailure = self.failure { _ = try await broker.connect() }
        for _ in 0..<2 {
            let request = try await broker.nextRequest()
            try await broker.answer(
                request, with: ScriptedBroker.versions([:], errorCode: .unsupportedVersion), version: 0)
        }
        let error = await connectionFailure
        #expect(error?.errorCode == .unsupportedVersion)
    }

    @Test("each request goes out in the highest version that both sides know")
    func highestCommonVersion() async throws {
        let (connection, broker) = try await ScriptedBroker.connected(serving: [.metadata: 2...9])
        async let response = connection.send(MetadataRequest())
        let request = try await broker.nextRequest()
        #expect(request.version == 9)
        var answer = MetadataResponse()
        answer.clusterID = "c1"
        try await broker.answer(request, with: answer)
        #expect(try await response.clusterID == "c1")
    }

    @Test("an API without a common version is an error that names it and both ranges")
    func noCommonVersion() async throws {
        let (connection, _) = try await ScriptedBroker.connected(serving: [.metadata: 0...3, .fetch: 0...3])
        let narrowed = await self.failure { _ = try await connection.send(MetadataRequest(), versions: 4...13) }
        #expect(narrowed?.code == .unsupportedVersion)
        #expect(narrowed?.message.contains("serves Metadata in version 0 to 3") == true)
        #expect(narrowed?.message.contains("needs version 4 to 13") == true)
        let old = await self.failure { _ = try await connection.send(FetchRequest()) }
        #expect(old?.message.contains("Fetch") == true)
        let missing = await self.failure { _ = try await connection.send(CreateTopicsRequest()) }
        #expect(missing?.message.contains("does not serve CreateTopics") == true)
    }

    // MARK: Order

    @Test("answers go to the requests in their order, and only so many requests are on their way")
    func inFlightLimit() async throws {
        var configuration = KafkaConnectionConfiguration()
        configuration.inFlightRequestsMax = 2
        let (connection, broker) = try await ScriptedBroker.connected(serving: Self.served, configuration)
        try await withThrowingTaskGroup(of: String?.self) { tasks in
            for _ in 0..<4 { tasks.addTask { try await connection.send(MetadataRequest()).clusterID } }
            var answered = Set<String>()
            // Two arrive; a third comes only after one of them was answered.
            var pending = [try await broker.nextRequest(), try await broker.nextRequest()]
            await broker.channel.testingEventLoop.run()
            #expect(try await broker.requestsWritten().isEmpty)
            for number in 0..<4 {
                var response = MetadataResponse()
                response.clusterID = "answer \(number)"
                try await broker.answer(pending.removeFirst(), with: response)
                if let name = try await tasks.next() ?? nil { answered.insert(name) }
                if number < 2 { pending.append(try await broker.nextRequest()) }
            }
            #expect(answered == ["answer 0", "answer 1", "answer 2", "answer 3"])
        }
    }

    @Test("too many waiting requests are refused, not collected")
    func waitingLimit() async throws {
        var configuration = KafkaConnectionConfiguration()
        configuration.inFlightRequestsMax = 1
        configuration.waitingRequestsMax = 0
        let (connection, broker) = try await ScriptedBroker.connected(serving: Self.served, configuration)
        async let first = connection.send(MetadataRequest())
        let request = try await broker.nextRequest()
        let error = await self.failure { _ = try await connection.send(MetadataRequest()) }
        #expect(error?.code == .tooManyRequests)
        try await broker.answer(request, with: MetadataResponse())
        _ = try await first
    }

    @Test("an answer that is not due ends the connection")
    func wrongCorrelationID() async throws {
        let (connection, broker) = try await ScriptedBroker.connected(serving: Self.served)
        async let responseFailure = self.failure { _ = try await connection.send(MetadataRequest()) }
        var request = try await broker.nextRequest()
        request.correlationID += 1
        try await broker.answer(request, with: MetadataResponse())
        let error = await responseFailure
        #expect(error?.code == .malformedResponse)
        #expect(connection.isOpen == false)
    }

    @Test("a cancelled call ends at once, and its answer is not taken for the next one")
    func cancellation() async throws {
        let (connection, broker) = try await ScriptedBroker.connected(serving: Self.served)
        let cancelled = Task { try await connection.send(MetadataRequest()) }
        let first = try await broker.nextRequest()
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        async let second = connection.send(MetadataRequest())
        let request = try await broker.nextRequest()
        var late = MetadataResponse()
        late.clusterID = "late"
        try await broker.answer(first, with: late)
        var due = MetadataResponse()
        due.clusterID = "due"
        try await broker.answer(request, with: due)
        #expect(try await second.clusterID == "due")
    }

    // MARK: Time

    @Test("an answer that is late fails its request and all behind it, and costs the connection")
    func timeout() async throws {
        var configuration = KafkaConnectionConfiguration()
        configuration.requestTimeout = .seconds(30)
        let (connection, broker) = try await ScriptedBroker.connected(serving: Self.served, configuration)
        async let firstFailure = self.failure { _ = try await connection.send(MetadataRequest()) }
        _ = try await broker.nextRequest()
        async let secondFailure = self.failure {
            _ = try await connection.send(MetadataRequest(), timeout: .seconds(3600))
        }
        _ = try await broker.nextRequest()
        await broker.channel.testingEventLoop.advanceTime(by: .seconds(29))
        #expect(connection.isOpen)
        await broker.channel.testingEventLoop.advanceTime(by: .seconds(1))
        let errors = [await firstFailure, await secondFailure]
        for error in errors {
            #expect(error?.code == .timedOut)
            #expect(error?.message.contains("Metadata within 30 s") == true)
        }
        #expect(!connection.isOpen)
    }

    @Test("a listener that says nothing is given up after the connect time-out")
    func silentListener() async throws {
        var configuration = KafkaConnectionConfiguration()
        configuration.connectTimeout = .seconds(5)
        let broker = try await ScriptedBroker(configuration)
        async let connectionFailure = self.failure { [configuration] in _ = try await broker.connect(configuration) }
        _ = try await broker.nextRequest()
        await broker.channel.testingEventLoop.advanceTime(by: .seconds(5))
        let error = await connectionFailure
        #expect(error?.code == .timedOut)
        #expect(error?.message.contains("is it a Kafka listener?") == true)
    }

    // MARK: Bad bytes

    @Test(
        "what is not Kafka is named",
        arguments: [
            ("HTTP/1.1 400 Bad Request\r\n", "HTTP server"), ("SSH-2.0-OpenSSH_9.2\r\n", "SSH server"),
            ("\u{15}\u{3}\u{1}\u{0}\u{2}", "TLS"),
        ])
    func otherProtocols(greeting: String, hint: String) async throws {
        let broker = try await ScriptedBroker()
        async let connectionFailure = self.failure { _ = try await broker.connect() }
        _ = try await broker.nextRequest()
        try await broker.send(ByteBuffer(string: greeting))
        let error = await connectionFailure
        #expect(error?.code == .notKafka)
        #expect(error?.message.contains(hint) == true)
    }

    @Test("a listener that closes without a word is no Kafka listener")
    func closedAtOnce() async throws {
        let broker = try await ScriptedBroker()
        async let connectionFailure = self.failure { _ = try await broker.connect() }
        _ = try await broker.nextRequest()
        try await broker.close()
        let error = await connectionFailure
        #expect(error?.code == .notKafka)
    }

    @Test("a connection that ends in the middle of an answer fails the request")
    func closedInTheMiddle() async throws {
        let (connection, broker) = try await ScriptedBroker.connected(serving: Self.served)
        async let responseFailure = self.failure { _ = try await connection.send(MetadataRequest()) }
        let request = try await broker.nextRequest()
        var frame = try ScriptedBroker.frame(MetadataResponse(), to: request)
        frame.moveWriterIndex(to: frame.writerIndex - 1)
        try await broker.send(frame)
        try await broker.close()
        let error = await responseFailure
        #expect(error?.code == .connectionClosed)
        let later = await self.failure { _ = try await connection.send(MetadataRequest()) }
        #expect(later?.code == .connectionClosed)
    }

    @Test("an answer larger than the limit ends the connection before it is read")
    func oversizedFrame() async throws {
        var configuration = KafkaConnectionConfiguration()
        configuration.responseBytesMax = 1000
        let (connection, broker) = try await ScriptedBroker.connected(serving: Self.served, configuration)
        async let responseFailure = self.failure { _ = try await connection.send(MetadataRequest()) }
        _ = try await broker.nextRequest()
        try await broker.send(ByteBuffer(integer: Int32(1001)))
        let error = await responseFailure
        #expect(error?.code == .malformedResponse)
        #expect(error?.message.contains("1001 bytes; at most 1000") == true)
    }

    @Test("a malformed answer is an error of its request alone")
    func malformedAnswer() async throws {
        let (connection, broker) = try await ScriptedBroker.connected(serving: Self.served)
        async let responseFailure = self.failure { _ = try await connection.send(MetadataRequest()) }
        let request = try await broker.nextRequest()
        var frame = ByteBuffer(integer: Int32(7))
        frame.writeInteger(request.correlationID)
        frame.writeBytes([0, 0, 0])
        try await broker.send(frame)
        let error = await responseFailure
        #expect(error?.code == .malformedResponse)
        #expect(error?.cause is WireError)
        async let next = connection.send(MetadataRequest())
        try await broker.answer(try await broker.nextRequest(), with: MetadataResponse())
        _ = try await next
    }

    @Test("bytes behind an answer are let pass")
    func bytesBehindAnswer() async throws {
        let (connection, broker) = try await ScriptedBroker.connected(serving: Self.served)
        async let response = connection.send(MetadataRequest())
        var expected = MetadataResponse()
        expected.clusterID = "known"
        var frame = try ScriptedBroker.frame(expected, to: try await broker.nextRequest())
        frame.writeInteger(UInt8(0))
        frame.setInteger(Int32(frame.readableBytes - 4), at: frame.readerIndex)
        try await broker.send(frame)
        #expect(try await response.clusterID == "known")
    }

    // MARK: Records

    @Test("records that are attached arrive as if they stood in the request")
    func attachments() async throws {
        let (connection, broker) = try await ScriptedBroker.connected(serving: Self.served)
        let records = ByteBuffer(bytes: Array(repeating: 7, count: 5000))
        async let response = connection.send(Self.produce(.external(token: 0, byteCount: 5000)), attachments: [records])
        let request = try await broker.nextRequest()
        #expect(try request.body == Self.produce(.buffer(records)).encoded(version: request.version))
        try await broker.answer(request, with: ProduceResponse())
        _ = try await response
    }

    @Test("a request without an answer returns when it is written, and does not count as on its way")
    func withoutAnswer() async throws {
        var configuration = KafkaConnectionConfiguration()
        configuration.inFlightRequestsMax = 1
        let (connection, broker) = try await ScriptedBroker.connected(serving: Self.served, configuration)
        for _ in 0..<3 {
            try await connection.sendWithoutAnswer(Self.produce(.empty))
            #expect(try await broker.nextRequest().api == .produce)
        }
        async let response = connection.send(MetadataRequest())
        try await broker.answer(try await broker.nextRequest(), with: MetadataResponse())
        _ = try await response
    }

    private static func produce(_ records: RecordBytes) -> ProduceRequest {
        var data = ProduceRequest.PartitionProduceData()
        data.records = records
        var topic = ProduceRequest.TopicProduceData()
        topic.name = "orders"
        topic.partitionData = [data]
        var request = ProduceRequest()
        request.topicData = [topic]
        return request
    }
}
