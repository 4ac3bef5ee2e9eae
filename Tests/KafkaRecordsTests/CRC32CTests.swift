// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import Testing

@Suite("CRC-32C")
struct CRC32CTests {
    @Test("the check value of the Castagnoli polynomial comes out, whole and in pieces")
    func checkValue() {
        let bytes = Array("123456789".utf8)
        bytes.withUnsafeBytes { bytes in
            #expect(crc32c(bytes) == 0xe306_9283)
            for cut in 0...bytes.count {
                let first = crc32c(UnsafeRawBufferPointer(rebasing: bytes[..<cut]))
                #expect(crc32c(UnsafeRawBufferPointer(rebasing: bytes[cut...]), seed: first) == 0xe306_9283)
            }
            #expect(crc32c(UnsafeRawBufferPointer(start: nil, count: 0)) == 0)
        }
    }
}
