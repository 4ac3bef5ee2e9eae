// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// What a consumer tells of its life, beside the records.
public enum KafkaConsumerEvent: Sendable {
    /// The group has given these partitions to this consumer, beside those from before. Nothing of them has been delivered
    /// yet, and nothing is before ``KafkaConsumerConfiguration/onEvent`` has returned: it may seek.
    case assigned([TopicPartition])
    /// These partitions are read no more. What was processed of them has been committed, if the consumer commits by
    /// itself.
    case revoked([TopicPartition])
    /// The group has given these partitions to others without waiting, for example because heartbeats did not get
    /// through or because the receiver took longer than ``KafkaConsumerConfiguration/maxPollInterval``. What was done
    /// since the last commit will be read again. The consumer joins again by itself. A record or batch that was delivered
    /// before may still be in the receiver's hands: nothing of these partitions follows it.
    case lost([TopicPartition], KafkaClientError)
    /// Reading begins elsewhere than it should, because that offset is not in the partition; `from` is nil when the
    /// group had committed nothing.
    case reset(TopicPartition, from: Offset?, to: Offset)
    /// Records that were read are not in the log any more, because a leader was elected that did not have them
    /// (KIP-320). Reading goes on at `to`, where the log and what was read part: what was read from there up to `from`
    /// is gone, and others are in its place.
    case truncated(TopicPartition, from: Offset, to: Offset)
    /// Something failed and is tried again.
    case retrying(KafkaClientError)
    /// Offsets could not be committed; they are with the next commit, unless it was the last.
    case commitFailed(KafkaClientError)
}

/// The events of a consumer, in the order in which they happened. One task at a time may read them. They end when
/// ``KafkaConsumer/run()`` does. Of those that nobody has read, the last ``bufferedMax`` are kept.
public struct KafkaConsumerEvents: AsyncSequence, Sendable {
    /// How many events wait to be read; older ones are dropped.
    public static let bufferedMax = 256

    let stream: AsyncStream<KafkaConsumerEvent>

    /// Begins with the oldest event that is kept.
    public func makeAsyncIterator() -> Iterator { Iterator(base: self.stream.makeAsyncIterator()) }

    /// Waits for one event at a time.
    public struct Iterator: AsyncIteratorProtocol {
        var base: AsyncStream<KafkaConsumerEvent>.Iterator

        /// The next event, nil after the last or when the task is cancelled.
        public mutating func next() async -> KafkaConsumerEvent? { await self.base.next() }

        /// The next event, nil after the last or when the task is cancelled.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async -> KafkaConsumerEvent? { await self.base.next(isolation: actor) }
    }
}
