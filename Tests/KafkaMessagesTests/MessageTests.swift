// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@Suite("Generated messages")
struct MessageTests {
    @Test("a value that a version cannot carry is refused, unless the field is ignorable")
    func vanishing() throws {
        var request = FetchRequest()
        request.sessionID = 5
        request.rackID = "r"
        // Both are ignorable, and version 4 has neither.
        #expect(try FetchRequest.decode(request.encoded(version: 4), version: 4).sessionID == 0)
        request.replicaState.replicaEpoch = 1
        #expect(throws: WireError.fieldNotRepresentable(field: "replicaState", version: 14)) {
            try request.encoded(version: 14)
        }
        #expect(try FetchRequest.decode(request.encoded(version: 15), version: 15).replicaState.replicaEpoch == 1)
        var response = FetchResponse()
        response.sessionID = 1
        #expect(throws: WireError.fieldNotRepresentable(field: "sessionID", version: 6)) {
            try response.encoded(version: 6)
        }
    }

    @Test("null is written only in the versions that have it")
    func nulls() throws {
        var request = MetadataRequest()
        request.topics = nil
        #expect(throws: WireError.nonNullableIsNull(field: "topics")) { try request.encoded(version: 0) }
        #expect(try request.encoded(version: 1) == ByteBuffer(bytes: [0xff, 0xff, 0xff, 0xff]))
    }

    @Test("a tagged field is written when its value is not the default, and only then")
    func tags() throws {
        var response = ProduceResponse()
        #expect(try response.bytes(version: 10) == [1, 0, 0, 0, 0, 0])
        var endpoint = ProduceResponse.NodeEndpoint()
        endpoint.nodeID = 1
        endpoint.host = "h"
        endpoint.port = 9_092
        response.nodeEndpoints = [endpoint]
        #expect(
            try response.bytes(version: 10)
                == [1, 0, 0, 0, 0, 1, 0, 13, 2, 0, 0, 0, 1, 2, 0x68, 0, 0, 0x23, 0x84, 0, 0]
        )
    }

    @Test("the client id of a request header is never compact")
    func requestHeader() throws {
        var header = RequestHeader()
        header.requestApiKey = APIKey.fetch.rawValue
        header.requestApiVersion = 13
        header.correlationID = 7
        header.clientID = "ab"
        #expect(try header.bytes(version: 2) == [0, 1, 0, 13, 0, 0, 0, 7, 0, 2, 0x61, 0x62, 0])
        #expect(try header.bytes(version: 1) == [0, 1, 0, 13, 0, 0, 0, 7, 0, 2, 0x61, 0x62])
    }

    @Test("headers are flexible from the version on from which the body is, but for the response of ApiVersions")
    func headerVersions() {
        #expect(APIKey.produce.requestHeaderVersion(apiVersion: 8) == 1)
        #expect(APIKey.produce.requestHeaderVersion(apiVersion: 9) == 2)
        #expect(APIKey.produce.responseHeaderVersion(apiVersion: 8) == 0)
        #expect(APIKey.produce.responseHeaderVersion(apiVersion: 9) == 1)
        #expect(APIKey.apiVersions.requestHeaderVersion(apiVersion: 3) == 2)
        #expect(APIKey.apiVersions.responseHeaderVersion(apiVersion: 3) == 0)
        #expect(APIKey.saslHandshake.requestHeaderVersion(apiVersion: 1) == 1)
        #expect(APIKey(9_999).requestHeaderVersion(apiVersion: 0) == 1)
        #expect(APIKey.controlledShutdown.requestHeaderVersion(apiVersion: 3) == 1)
    }

    @Test("the table of APIs has the versions of the requests")
    func schemas() throws {
        #expect(APISchema.all.count == 89)
        #expect(APISchema.all.map(\.key) == APISchema.all.map(\.key).sorted())
        #expect(APISchema.of(.produce)?.validVersions == ProduceRequest.validVersions)
        #expect(APISchema.of(.initProducerID)?.latestStableVersion == 5)
        #expect(APISchema.of(.fetch)?.latestStableVersion == 18)
        #expect(APISchema.of(.stopReplica) == nil)
        for entry in messageTable {
            guard let type = entry.type as? any KafkaRequest.Type else { continue }
            #expect(APISchema.of(type.apiKey)?.validVersions == type.validVersions)
            #expect("\(type.apiKey.name)Request" == entry.name)
        }
    }

    @Test("records that are elsewhere are spliced into a fetch response")
    func splices() throws {
        var partition = FetchResponse.PartitionData()
        partition.records = .external(token: 3, byteCount: 500)
        var topic = FetchResponse.FetchableTopicResponse()
        topic.partitions = [partition, partition]
        var response = FetchResponse()
        response.responses = [topic]
        for version in FetchResponse.validVersions {
            var writer = WireWriter()
            try response.encode(into: &writer, version: version)
            #expect(writer.splices.map(\.token) == [3, 3])
            // With the bytes put in their place, the message is whole.
            var whole = ByteBuffer()
            var position = 0
            for splice in writer.splices {
                let length = splice.position - position
                whole.writeImmutableBuffer(try #require(writer.buffer.getSlice(at: position, length: length)))
                whole.writeRepeatingByte(0xab, count: splice.byteCount)
                position = splice.position
            }
            let rest = writer.buffer.writerIndex - position
            whole.writeImmutableBuffer(try #require(writer.buffer.getSlice(at: position, length: rest)))
            #expect(whole.readableBytes == writer.byteCount)
            let read = try FetchResponse.decode(whole, version: version)
            #expect(read.responses[0].partitions.map { $0.records?.byteCount } == [500, 500])
        }
    }
}
