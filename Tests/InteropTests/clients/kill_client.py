# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""Producers, a consumer and an operator that go on while their broker is killed again and again, and the audit of what
is left. Through confluent-kafka; see steps.py for how the tests talk to it, and ledger.py for what the records are.
"""

import array
import os
import random
import time
import zlib

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

import ledger
import steps

TIMEOUT_SECONDS = 30
# Nobody gives up while the broker is away.
PATIENCE_MS = 120_000
# How many records leave at once, at most.
BURST_MAX = 60
PROGRESS_SECONDS = 0.02
QUICK_RECONNECT = {
    "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 20,
    "topic.metadata.refresh.fast.interval.ms": 50,
    # A broker that goes away is no news here.
    "log_level": 2,
}
# For admin requests, which may be answered by nobody.
ADMIN_SECONDS = 5


class Signals:
    """What test and programs tell each other by files: to stop, the cycle, and how far things are."""

    def __init__(self, step):
        self.stop_file, self.cycle_file, self.progress_file = step["stopFile"], step["cycleFile"], step["progressFile"]
        self.next_look, self.cycle, self.is_over = 0, 0, False

    def look(self, *progress):
        now = time.monotonic()
        if now < self.next_look:
            return
        self.next_look = now + PROGRESS_SECONDS
        self.is_over = os.path.exists(self.stop_file)
        try:
            with open(self.cycle_file) as file:
                self.cycle = int(file.read())
        except (OSError, ValueError):
            pass  # Not there yet, or being replaced.
        replacement = self.progress_file + ".new"
        with open(replacement, "w") as file:
            file.write(" ".join(map(str, progress)))
        os.rename(replacement, self.progress_file)


# Producers


class Sender:
    """One producer, and what it has sent where."""

    def __init__(self, bootstrap, books, number, topics, settings, problems):
        self.number, self.topics, self.books, self.problems = number, topics, books, problems
        self.acknowledged = 0
        self.signals = None
        books.is_idempotent[number] = settings.get("enable.idempotence") != "false"
        self.producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": "true",
                "linger.ms": 5,
                "queue.buffering.max.messages": 20_000,
                "message.timeout.ms": PATIENCE_MS,
                "batch.num.messages": 200,
                **QUICK_RECONNECT,
                **settings,
            }
        )

    def burst(self, count, randomness):
        """Sends up to so many records; fewer while the queue is full."""
        for _ in range(count):
            topic = randomness.choice(self.topics)
            partition = randomness.randrange(topic["partitions"])
            book = self.books.book(self.number, topic["number"], partition)
            number = len(book.offsets)
            value = ledger.value_of(self.number, topic["number"], partition, 0, number)
            try:
                self.producer.produce(
                    topic["name"], value, partition=partition, on_delivery=self.reporter(book, topic, partition, number)
                )
            except BufferError:
                return
            book.send()

    def reporter(self, book, topic, partition, number):
        def report(error, message):
            if error is not None:
                self.problems.add(
                    f"{topic['name']}-{partition}: number {number} of producer {self.number} was given up in cycle "
                    f"{self.signals.cycle}: {error}"
                )
            else:
                self.acknowledged += 1
                book.acknowledge(number, message.offset(), self.signals.cycle)

        return report


def load(bootstrap, step):
    """Sends from all producers until told to stop, waits for the last answers, and writes the books down."""
    randomness, books, problems = random.Random(step["seed"]), ledger.Ledger(), ledger.Problems()
    signals = Signals(step)
    senders = []
    for number, settings in enumerate(step["producers"]):
        topics = [topic for topic in step["topics"] if topic["name"] in settings["topics"]]
        senders.append(Sender(bootstrap, books, number, topics, settings["settings"], problems))
        senders[-1].signals = signals
    started, sent_rounds = time.monotonic(), 0
    while not signals.is_over:
        for sender in senders:
            sender.burst(randomness.randint(1, BURST_MAX), randomness)
            sender.producer.poll(0)
        sent_rounds += 1
        signals.look(*(sender.acknowledged for sender in senders))
        ahead = sent_rounds * BURST_MAX / 2 * len(senders) / step["recordsPerSecond"] - (time.monotonic() - started)
        if ahead > 0:
            time.sleep(ahead)
    for sender in senders:
        if sender.producer.flush(TIMEOUT_SECONDS):
            problems.add(f"producer {sender.number} has records that nobody acknowledged {TIMEOUT_SECONDS} s later")
    books.write(step["ledger"])
    sent = sum(len(book.offsets) for book in books.books.values())
    return {
        "sent": sent, "acknowledged": sum(sender.acknowledged for sender in senders), "problems": problems.result(),
    }


# Consumers


def make_consumer(bootstrap):
    return Consumer(
        {
            "bootstrap.servers": bootstrap, "group.id": "kills", "enable.auto.commit": False,
            "auto.offset.reset": "error", "fetch.wait.max.ms": 50, "isolation.level": "read_uncommitted",
            **QUICK_RECONNECT,
        }
    )


def partitions_of(step):
    return [(topic, partition) for topic in step["topics"] for partition in range(topic["partitions"])]


def watch(bootstrap, step):
    """Reads everything as it comes, and again and again asks for the high watermark, which may not be below what it has
    read. What it has seen is written down: the audit expects it at the same place."""
    problems, signals, consumer = ledger.Problems(), Signals(step), make_consumer(bootstrap)
    seen = {(topic["name"], partition): array.array("I") for topic, partition in partitions_of(step)}
    consumer.assign([TopicPartition(name, partition, 0) for name, partition in seen])
    asked, next_question = 0, time.monotonic()
    while not signals.is_over:
        for message in consumer.consume(2000, 0.05):
            key = (message.topic(), message.partition())
            if message.error():
                problems.add(f"{key}: after {len(seen.get(key, []))} records in cycle {signals.cycle}: {message.error()}")
            elif message.offset() != len(seen[key]):
                problems.add(f"{key}: offset {message.offset()} comes after {len(seen[key])} records")
            else:
                seen[key].append(zlib.crc32(message.value()))
        signals.look(sum(len(hashes) for hashes in seen.values()))
        if time.monotonic() >= next_question:
            key = random.choice(list(seen))
            known = len(seen[key])
            try:
                _, high = consumer.get_watermark_offsets(TopicPartition(*key), timeout=1)
                asked += 1
                if high < known:
                    problems.add(f"{key}: the high watermark is {high} in cycle {signals.cycle}, but {known} were read")
            except KafkaException:
                pass  # The broker is away.
            next_question = time.monotonic() + 0.1
    consumer.close()
    os.makedirs(step["seen"], exist_ok=True)
    for (name, partition), hashes in seen.items():
        with open(os.path.join(step["seen"], f"{name}-{partition}"), "wb") as file:
            hashes.tofile(file)
    return {"count": sum(len(hashes) for hashes in seen.values()), "asked": asked, "problems": problems.result()}


def audit(bootstrap, step):
    """Reads every partition from its beginning to its end and compares it with the books."""
    problems, books, consumer = ledger.Problems(), ledger.Ledger.read(step["ledger"]), make_consumer(bootstrap)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    names = {topic["number"]: topic["name"] for topic in step["topics"]}
    audits, ends, seen = {}, {}, {}
    for topic, partition in partitions_of(step):
        place = TopicPartition(topic["name"], partition, 0)
        key = (topic["name"], partition)
        low, high = consumer.get_watermark_offsets(place, timeout=TIMEOUT_SECONDS)
        listed = admin.list_offsets({place: OffsetSpec.latest()})[place].result(TIMEOUT_SECONDS).offset
        ends[key] = (listed, high)
        if low != 0:
            problems.add(f"{key}: begins at {low}, although nothing was deleted")
        seen[key] = array.array("I")
        path = os.path.join(step["seen"], f"{topic['name']}-{partition}")
        if os.path.exists(path):
            with open(path, "rb") as file:
                seen[key].frombytes(file.read())
        if len(seen[key]) > high:
            problems.add(f"{key}: ends at {high}, but {len(seen[key])} records were read before")
        audits[key] = ledger.PartitionAudit(books, names, topic["number"], partition, problems)
    consumer.assign([TopicPartition(*key, 0) for key in audits])
    count, total, deadline = 0, sum(high for _, high in ends.values()), time.monotonic() + TIMEOUT_SECONDS
    while count < total and time.monotonic() < deadline:
        for message in consumer.consume(5000, 0.2):
            key = (message.topic(), message.partition())
            if message.error():
                problems.add(f"{key}: at {audits[key].next_offset}: {message.error()}")
                continue
            deadline = time.monotonic() + TIMEOUT_SECONDS
            value, offset = message.value(), message.offset()
            audits[key].take(offset, value)
            count += 1
            if offset < len(seen[key]) and seen[key][offset] != zlib.crc32(value):
                problems.add(f"{key}: at {offset} is another record than a consumer read there before")
    for key, audited in audits.items():
        audited.finish(*ends[key])
    consumer.close()
    return {"count": count, "problems": problems.result()}


# An operator


class Churn:
    """Topics that are made, filled and deleted under a few names, over and over. What a request came to is not known
    when the broker was killed during it: then both outcomes are right until the next answer."""

    def __init__(self, bootstrap, randomness):
        self.bootstrap, self.randomness = bootstrap, randomness
        self.admin = AdminClient({"bootstrap.servers": bootstrap, **QUICK_RECONNECT})
        # By name: whether it is there (None: not known), how often it was made, and what was acknowledged since.
        self.exists, self.generation, self.acknowledged = {}, {}, {}
        self.steps = 0

    def settle(self, futures, name):
        """The error of an admin request; None when it succeeded, "unknown" when nobody can say."""
        try:
            futures[name].result(ADMIN_SECONDS)
            return None
        except KafkaException as exception:
            return exception.args[0].name()
        except Exception:  # A time-out of the future.
            return "unknown"

    def create(self, name):
        # The generation is counted before: a topic of unknown fate is another one than whatever comes next.
        self.generation[name] = self.generation.get(name, 0) + 1
        self.acknowledged[name] = []
        new = NewTopic(name, num_partitions=2, replication_factor=1)
        error = self.settle(self.admin.create_topics([new], request_timeout=ADMIN_SECONDS), name)
        self.exists[name] = True if error is None else None

    def delete(self, name):
        error = self.settle(self.admin.delete_topics([name], request_timeout=ADMIN_SECONDS), name)
        was = self.exists[name]
        if error is None or (error == "UNKNOWN_TOPIC_OR_PART" and was is None):
            self.exists[name] = False
        else:
            self.exists[name] = None

    def fill(self, name):
        """A producer of its own: one that outlives a topic waits for it."""
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap, "acks": "all", "enable.idempotence": True,
                "message.timeout.ms": ADMIN_SECONDS * 1000, "linger.ms": 1, **QUICK_RECONNECT,
            }
        )
        generation, books = self.generation[name], self.acknowledged[name]

        def reporter(partition, number):
            def report(error, message):
                if error is None:
                    books.append((partition, message.offset(), number))

            return report

        first = len(books) * 1000
        for number in range(first, first + self.randomness.randint(1, 30)):
            partition = number % 2
            value = ledger.value_of(0, 0, partition, generation, number)
            producer.produce(name, value, partition=partition, on_delivery=reporter(partition, number))
        producer.flush(ADMIN_SECONDS * 2)

    def step(self, name):
        self.steps += 1
        state = self.exists.get(name, False)
        if state is False:
            self.create(name)
        elif state is True and self.randomness.random() < 0.5:
            self.fill(name)
        else:
            self.delete(name)


def churn(bootstrap, step):
    randomness, signals = random.Random(step["seed"]), Signals(step)
    operator = Churn(bootstrap, randomness)
    while not signals.is_over:
        operator.step(f"churn-{randomness.randrange(step['names'])}")
        signals.look(operator.steps)
        time.sleep(0.01)
    # By then the broker answers again.
    problems = ledger.Problems()
    check_churn(bootstrap, operator, problems)
    return {"steps": operator.steps, "generations": sum(operator.generation.values()), "problems": problems.result()}


def check_churn(bootstrap, operator, problems):
    there = operator.admin.list_topics(timeout=TIMEOUT_SECONDS).topics
    consumer = make_consumer(bootstrap)
    for name, exists in operator.exists.items():
        if exists is None:
            continue
        if (name in there) != exists:
            problems.add(f"{name} is {'there' if name in there else 'not there'}, against what was acknowledged")
            continue
        if not exists:
            continue
        found = {}
        for partition in range(2):
            place = TopicPartition(name, partition, 0)
            _, high = consumer.get_watermark_offsets(place, timeout=TIMEOUT_SECONDS)
            consumer.assign([place])
            position, deadline = 0, time.monotonic() + TIMEOUT_SECONDS
            while position < high and time.monotonic() < deadline:
                for message in consumer.consume(1000, 0.2):
                    if message.error():
                        problems.add(f"{name}-{partition}: {message.error()}")
                        continue
                    record = ledger.parse(message.value())
                    position = message.offset() + 1
                    if record is None or record[3] != operator.generation[name]:
                        problems.add(
                            f"{name}-{partition}: {record} at {message.offset()} is of another topic of this name"
                        )
                    else:
                        found[(partition, message.offset())] = record[4]
        for partition, offset, number in operator.acknowledged[name]:
            if found.get((partition, offset)) != number:
                problems.add(f"{name}-{partition}: number {number}, acknowledged at {offset}, is not there")
    consumer.close()


def create_topics(bootstrap, step):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    new = [
        NewTopic(topic["name"], num_partitions=topic["partitions"], replication_factor=1, config=topic["configs"])
        for topic in step["topics"]
    ]
    for future in admin.create_topics(new).values():
        future.result(TIMEOUT_SECONDS)


if __name__ == "__main__":
    steps.run(
        lambda bootstrap: bootstrap,
        {function.__name__: function for function in (create_topics, load, watch, churn, audit)},
    )
