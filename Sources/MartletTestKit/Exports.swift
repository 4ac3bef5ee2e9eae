// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// What tests need to name partitions, APIs and errors comes with the kit: one import is enough.
@_exported public import struct KafkaTypes.PartitionIndex
@_exported public import struct KafkaTypes.TopicPartition
@_exported public import struct KafkaWire.APIKey
@_exported public import struct KafkaWire.ErrorCode
