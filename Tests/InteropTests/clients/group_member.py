# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""One member of a consumer group, through any of the three libraries, until SIGTERM.

It reads one JSON object from standard input (see Options), joins, and prints a line of JSON for each thing that happens:

    {"e": "assigned" | "revoked" | "lost", "t": T, "ps": [PARTITION, ...]}
    {"e": "record", "t": T, "p": PARTITION, "o": OFFSET, "n": NUMBER}      processed; the number is in the record itself
    {"e": "committed", "t": T, "os": [[PARTITION, OFFSET], ...]}           after the broker has said so
    {"e": "failed", "t": T, "error": TEXT}                                 a commit that was refused
    {"e": "leaving" | "left", "t": T}                                      before and after the library's own farewell

T is CLOCK_MONOTONIC in nanoseconds, the same for all processes of a machine. A line is written before the offset behind
its record is committed: whoever kills the program at any moment knows everything that it may have committed.
"""

import asyncio
import faulthandler
import json
import os
import signal
import sys
import time

NUMBER_BYTES = 8
# How long a poll waits when there is nothing: how long it takes to notice SIGTERM.
POLL_SECONDS = 0.05
# Commits wait for the disk; so many of all members at a time would measure that.
COMMIT_SECONDS = 0.2
COMMIT_LIMIT_SECONDS = 10


class Options:
    """What the test wants of this member."""

    def __init__(self, job):
        self.bootstrap, self.group, self.topic, self.name = job["bootstrap"], job["group"], job["topic"], job["name"]
        self.library = job["library"]
        # range or cooperative-sticky for the classic protocol; consumer for the other one, with an assignor.
        self.strategy = job["strategy"]
        self.assignor = job.get("assignor")
        self.instance = job.get("instance")
        self.session_ms, self.heartbeat_ms = job["sessionMs"], job["heartbeatMs"]


class Diary:
    """Writes down what happens, and knows what is processed but not committed."""

    def __init__(self):
        self.owned = set()
        self.pending = {}
        self.next_commit = 0
        self.is_over = False
        signal.signal(signal.SIGTERM, self.stop)
        # The test's threads, which start programs, have it blocked.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        # To standard error, at once: where it is, in case that it never gets to the line above.
        faulthandler.register(signal.SIGTERM, chain=True)

    def stop(self, *_):
        self.is_over = True

    def write(self, event, **fields):
        line = json.dumps({"e": event, "t": time.monotonic_ns(), **fields}, separators=(",", ":")) + "\n"
        os.write(1, line.encode())

    def partitions(self, event, partitions):
        numbers = {partition.partition for partition in partitions}
        self.owned = self.owned | numbers if event == "assigned" else self.owned - numbers
        self.write(event, ps=sorted(numbers))

    def process(self, partition, offset, value):
        self.write("record", p=partition, o=offset, n=int.from_bytes(value[:NUMBER_BYTES], "big"))
        self.pending[partition] = offset + 1

    def is_due(self):
        return bool(self.pending) and time.monotonic() >= self.next_commit

    def take(self):
        """What is to be committed now."""
        offsets, self.pending = self.pending, {}
        return offsets

    def committed(self, offsets):
        # Counted from the answer, so that a slow disk leaves time to process something in between.
        self.next_commit = time.monotonic() + COMMIT_SECONDS
        self.write("committed", os=sorted(offsets.items()))

    def failed(self, error):
        """Nobody but the new owner may commit: what was processed here is processed there again."""
        self.next_commit = time.monotonic() + COMMIT_SECONDS
        self.write("failed", error=f"{type(error).__name__}: {error}")


def run_confluent(options, diary):
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    settings = {
        "bootstrap.servers": options.bootstrap,
        "group.id": options.group,
        "client.id": options.name,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 100,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 200,
        "retry.backoff.ms": 20,
        "socket.timeout.ms": COMMIT_LIMIT_SECONDS * 1000,
        # A broker that goes away is no news here.
        "log_level": 3,
    }
    if options.strategy == "consumer":
        settings["group.protocol"] = "consumer"
        if options.assignor:
            settings["group.remote.assignor"] = options.assignor
    else:
        settings["partition.assignment.strategy"] = options.strategy
        settings["session.timeout.ms"] = options.session_ms
        settings["heartbeat.interval.ms"] = options.heartbeat_ms
    if options.instance:
        settings["group.instance.id"] = options.instance
    consumer = Consumer(settings)

    def commit():
        if not diary.pending:
            return
        offsets = diary.take()
        try:
            answer = consumer.commit(
                offsets=[TopicPartition(options.topic, partition, offset) for partition, offset in offsets.items()],
                asynchronous=False,
            )
            for partition in answer:
                if partition.error is not None:
                    raise KafkaException(partition.error)
            diary.committed(offsets)
        except KafkaException as error:
            diary.failed(error)

    def on_revoke(_, partitions):
        commit()
        diary.partitions("revoked", partitions)

    def on_lost(_, partitions):
        diary.take()
        diary.partitions("lost", partitions)

    consumer.subscribe(
        [options.topic],
        on_assign=lambda _, partitions: diary.partitions("assigned", partitions),
        on_revoke=on_revoke,
        on_lost=on_lost,
    )
    while not diary.is_over:
        message = consumer.poll(POLL_SECONDS)
        if message is not None and message.error() is None:
            diary.process(message.partition(), message.offset(), message.value())
        elif message is not None:
            diary.failed(KafkaException(message.error()))
        if diary.is_due():
            commit()
    commit()
    diary.write("leaving")
    consumer.close()


def run_kafka_python(options, diary):
    from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
    from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    from kafka.errors import KafkaError

    class Listener(ConsumerRebalanceListener):
        """Called while poll waits for the rebalance, when everything that it has given out is committed."""

        def on_partitions_revoked(self, revoked):
            diary.partitions("revoked", revoked)

        def on_partitions_assigned(self, assigned):
            diary.partitions("assigned", assigned)

        def on_partitions_lost(self, lost):
            diary.partitions("lost", lost)

    strategies = {"range": RangePartitionAssignor, "cooperative-sticky": CooperativeStickyAssignor}
    consumer = KafkaConsumer(
        bootstrap_servers=options.bootstrap,
        group_id=options.group,
        group_instance_id=options.instance,
        client_id=options.name,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=(strategies[options.strategy],),
        session_timeout_ms=options.session_ms,
        heartbeat_interval_ms=options.heartbeat_ms,
        fetch_max_wait_ms=100,
        reconnect_backoff_ms=20,
        reconnect_backoff_max_ms=200,
        retry_backoff_ms=50,
    )
    consumer.subscribe([options.topic], listener=Listener())
    while not diary.is_over:
        for partition, records in consumer.poll(timeout_ms=int(POLL_SECONDS * 1000)).items():
            for record in records:
                diary.process(partition.partition, record.offset, record.value)
        if not diary.pending:
            continue
        offsets = diary.take()
        try:
            consumer.commit(
                {TopicPartition(options.topic, p): OffsetAndMetadata(offset, "", -1) for p, offset in offsets.items()},
                timeout_ms=COMMIT_LIMIT_SECONDS * 1000,
            )
            diary.committed(offsets)
        except KafkaError as error:
            diary.failed(error)
    diary.write("leaving")
    consumer.close()


async def run_aiokafka(options, diary):
    from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
    from aiokafka.coordinator.assignors.range import RangePartitionAssignor
    from aiokafka.errors import KafkaError

    # Rebalances go on beside the loop below: neither may come between a record and its commit.
    lock = asyncio.Lock()

    async def commit():
        if not diary.pending:
            return
        offsets = diary.take()
        try:
            await consumer.commit({TopicPartition(options.topic, p): offset for p, offset in offsets.items()})
            diary.committed(offsets)
        except KafkaError as error:
            diary.failed(error)

    class Listener(ConsumerRebalanceListener):
        async def on_partitions_revoked(self, revoked):
            async with lock:
                await commit()
                diary.partitions("revoked", revoked)

        async def on_partitions_assigned(self, assigned):
            diary.partitions("assigned", assigned)

    consumer = AIOKafkaConsumer(
        bootstrap_servers=options.bootstrap,
        group_id=options.group,
        group_instance_id=options.instance,
        client_id=options.name,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=({"range": RangePartitionAssignor}[options.strategy],),
        session_timeout_ms=options.session_ms,
        heartbeat_interval_ms=options.heartbeat_ms,
        fetch_max_wait_ms=100,
        retry_backoff_ms=50,
    )
    consumer.subscribe([options.topic], listener=Listener())
    await consumer.start()
    while not diary.is_over:
        batches = await consumer.getmany(timeout_ms=int(POLL_SECONDS * 1000))
        async with lock:
            for partition, records in batches.items():
                # What was fetched before a rebalance is somebody else's now.
                for record in records if partition.partition in diary.owned else []:
                    diary.process(partition.partition, record.offset, record.value)
            if diary.is_due():
                await commit()
    async with lock:
        await commit()
    diary.write("leaving")
    await consumer.stop()


def main():
    options, diary = Options(json.load(sys.stdin)), Diary()
    if options.library == "aiokafka":
        asyncio.run(run_aiokafka(options, diary))
    else:
        {"confluent-kafka": run_confluent, "kafka-python": run_kafka_python}[options.library](options, diary)
    diary.write("left")


main()
