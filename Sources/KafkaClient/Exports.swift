// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// What the declarations of this module speak of, so that `import KafkaClient` is all that a service needs.
@_exported public import KafkaRecords
@_exported public import KafkaTypes
@_exported public import struct KafkaWire.ErrorCode
@_exported public import struct NIOCore.ByteBuffer
