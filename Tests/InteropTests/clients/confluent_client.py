# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""The steps of steps.py through confluent-kafka, which is librdkafka."""

import os
import time

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaException,
    Producer,
    TIMESTAMP_NOT_AVAILABLE,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)

import sequence
import steps

TIMEOUT_SECONDS = 30


def settle(future):
    """What an admin request came to."""
    try:
        return future.result(TIMEOUT_SECONDS)
    except KafkaException as exception:
        raise failed(exception) from exception


def failed(exception):
    error = exception.args[0]
    return steps.StepFailed(error.code(), error.str())


# Records


def produce(bootstrap, step):
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": step.get("acks", "all"),
            "compression.type": step.get("codec", "none"),
            "linger.ms": 50,
            "message.timeout.ms": TIMEOUT_SECONDS * 1000,
            **step.get("settings", {}),
        }
    )
    deliveries = [None] * len(step["records"])

    def on_delivery(index):
        def report(error, message):
            if error is not None:
                deliveries[index] = steps.failure(error.code(), error.str())
            else:
                deliveries[index] = {"partition": message.partition(), "offset": message.offset()}

        return report

    for index, record in enumerate(step["records"]):
        options = {name: record[name] for name in ("partition", "timestamp") if name in record}
        if record.get("headers"):
            options["headers"] = [(header["name"], steps.decode(header["value"])) for header in record["headers"]]
        producer.produce(
            step["topic"],
            steps.value_of(record),
            steps.decode(record.get("key")),
            on_delivery=on_delivery(index),
            **options,
        )
        producer.poll(0)
    left = producer.flush(TIMEOUT_SECONDS)
    if left:
        raise SystemExit(f"{left} records of {step['topic']} were not delivered in {TIMEOUT_SECONDS} s")
    return {"deliveries": deliveries}


def make_consumer(bootstrap, step):
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            # librdkafka demands a group even where only assign() is used.
            "group.id": "interop",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            # Questions about offsets wait behind the fetch on the same connection.
            "fetch.wait.max.ms": 20,
            "isolation.level": step.get("isolation", "read_uncommitted"),
            **step.get("settings", {}),
        }
    )


def assign(consumer, step):
    consumer.assign([TopicPartition(step["topic"], entry["partition"], entry["offset"]) for entry in step["from"]])


def messages(consumer, count, seconds=TIMEOUT_SECONDS):
    """The next `count` messages."""
    deadline = time.monotonic() + seconds
    while count > 0:
        message = consumer.poll(1)
        if message is not None:
            if message.error():
                raise steps.StepFailed(message.error().code(), message.error().str())
            yield message
            count -= 1
        elif time.monotonic() > deadline:
            raise SystemExit(f"{count} records were still to come after {seconds} s")


def end_offset(consumer, topic, partition):
    return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_SECONDS)[1]


def consume(bootstrap, step):
    consumer = make_consumer(bootstrap, step)
    assign(consumer, step)
    records = []
    for message in messages(consumer, step["count"]):
        kind, timestamp = message.timestamp()
        records.append(
            steps.received(
                step,
                message.topic(),
                message.partition(),
                message.offset(),
                None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
                message.key(),
                message.value(),
                message.headers() or [],
            )
        )
    ends = {entry["partition"]: end_offset(consumer, step["topic"], entry["partition"]) for entry in step["from"]}
    consumer.close()
    return {"records": records, "ends": ends}


def seek(bootstrap, step):
    """The offset of the record that comes after each seek."""
    consumer = make_consumer(bootstrap, step)
    assign(consumer, step)
    offsets = [message.offset() for message in messages(consumer, 1)]
    partition = step["from"][0]["partition"]
    for offset in step["seeks"]:
        consumer.seek(TopicPartition(step["topic"], partition, offset))
        offsets.extend(message.offset() for message in messages(consumer, 1))
    consumer.close()
    return {"offsets": offsets}


def offsets(bootstrap, step):
    consumer = make_consumer(bootstrap, step)
    topic, partition = step["topic"], step["partition"]
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_SECONDS)
    found = []
    for timestamp in step.get("times", []):
        answer = consumer.offsets_for_times([TopicPartition(topic, partition, timestamp)], timeout=TIMEOUT_SECONDS)
        found.append(answer[0].offset if answer[0].offset >= 0 else None)
    consumer.close()
    return {"beginning": low, "end": high, "forTimes": found}


def produce_sequence(bootstrap, step):
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": step.get("idempotent", True),
            "linger.ms": 5,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 100,
            "retry.backoff.ms": 20,
            "queue.buffering.max.messages": 10000,
            "message.timeout.ms": 120000,
            **step.get("settings", {}),
        }
    )
    sender = sequence.Sender(step)

    def report(error, _):
        if error is None:
            sender.succeeded()
        else:
            sender.failed(error)

    for number in sender.numbers():
        value = sequence.record_bytes(number, step["size"])
        while True:
            try:
                producer.produce(step["topic"], value, partition=number % step["partitions"], on_delivery=report)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush(TIMEOUT_SECONDS)
    return sender.result()


def consume_sequence(bootstrap, step):
    consumer = make_consumer(bootstrap, step)
    partitions = range(step["partitions"])
    ends = [end_offset(consumer, step["topic"], partition) for partition in partitions]
    consumer.assign([TopicPartition(step["topic"], partition, 0) for partition in partitions])
    receiver = sequence.Receiver(step)
    for message in messages(consumer, sum(ends), seconds=60):
        receiver.receive(message.partition(), message.offset(), message.value())
    consumer.close()
    return receiver.result()


# Administration


def metadata(bootstrap, step):
    """What a client learns about brokers; naming a topic may create it."""
    settings = {"bootstrap.servers": bootstrap, "allow.auto.create.topics": True}
    client = Producer(settings) if step.get("topic") else AdminClient(settings)
    try:
        answer = client.list_topics(step.get("topic"), timeout=TIMEOUT_SECONDS)
    except KafkaException as exception:
        raise failed(exception) from exception
    topics = [topic for topic in answer.topics.values() if topic.error is None]
    return {
        "clusterID": answer.cluster_id,
        "controller": answer.controller_id,
        "brokers": [{"id": b.id, "host": b.host, "port": b.port} for b in answer.brokers.values()],
        "topics": {topic.topic: len(topic.partitions) for topic in topics},
    }


def create_topic(bootstrap, step):
    topic = NewTopic(
        step["topic"],
        num_partitions=step.get("partitions", -1),
        replication_factor=step.get("replicationFactor", -1),
        config=step.get("configs", {}),
    )
    futures = admin(bootstrap).create_topics([topic], validate_only=step.get("validateOnly", False))
    settle(futures[step["topic"]])


def describe_topic(bootstrap, step):
    futures = admin(bootstrap).describe_topics(TopicCollection([step["topic"]]))
    topic = settle(futures[step["topic"]])
    return {
        "name": topic.name,
        "topicID": str(topic.topic_id),
        "isInternal": topic.is_internal,
        "partitions": [
            {
                "partition": partition.id,
                "leader": partition.leader.id,
                "replicas": [node.id for node in partition.replicas],
                "isr": [node.id for node in partition.isr],
            }
            for partition in topic.partitions
        ],
    }


def create_partitions(bootstrap, step):
    futures = admin(bootstrap).create_partitions([NewPartitions(step["topic"], step["count"])])
    settle(futures[step["topic"]])


def delete_topic(bootstrap, step):
    settle(admin(bootstrap).delete_topics([step["topic"]])[step["topic"]])


def delete_records(bootstrap, step):
    partition = TopicPartition(step["topic"], step["partition"], step["offset"])
    futures = admin(bootstrap).delete_records([partition])
    return {"lowWatermark": settle(futures[partition]).low_watermark}


def describe_cluster(bootstrap, _):
    cluster = settle(admin(bootstrap).describe_cluster())
    return {
        "clusterID": cluster.cluster_id,
        "controller": cluster.controller.id,
        "brokers": [{"id": node.id, "host": node.host, "port": node.port} for node in cluster.nodes],
    }


def list_offsets(bootstrap, step):
    named = {"earliest": OffsetSpec.earliest, "latest": OffsetSpec.latest, "max_timestamp": OffsetSpec.max_timestamp}
    spec = named[step["spec"]]() if step["spec"] in named else OffsetSpec.for_timestamp(int(step["spec"]))
    partition = TopicPartition(step["topic"], step["partition"])
    futures = admin(bootstrap).list_offsets({partition: spec}, isolation_level=IsolationLevel.READ_COMMITTED)
    found = settle(futures[partition])
    return {"offset": found.offset, "timestamp": found.timestamp}


def resource(step, **options):
    return ConfigResource(ConfigResource.Type[step["type"].upper()], step["name"], **options)


def describe_configs(bootstrap, step):
    asked = resource(step)
    entries = settle(admin(bootstrap).describe_configs([asked])[asked])
    return {
        "configs": {
            name: {
                "value": entry.value,
                "source": ConfigSource(entry.source).name,
                "isReadOnly": bool(entry.is_read_only),
                "isSensitive": bool(entry.is_sensitive),
                "synonyms": [
                    {"name": synonym.name, "value": synonym.value, "source": ConfigSource(synonym.source).name}
                    for synonym in entry.synonyms.values()
                ],
            }
            for name, entry in entries.items()
        }
    }


def alter_configs(bootstrap, step):
    """The old request, which resets what it does not name."""
    changed = resource(step, set_config=step["configs"])
    options = {"validate_only": step.get("validateOnly", False)}
    settle(admin(bootstrap).alter_configs([changed], **options)[changed])


def incremental_alter_configs(bootstrap, step):
    entries = [
        ConfigEntry(change["name"], change.get("value"), incremental_operation=AlterConfigOpType[change["operation"]])
        for change in step["changes"]
    ]
    changed = resource(step, incremental_configs=entries)
    options = {"validate_only": step.get("validateOnly", False)}
    settle(admin(bootstrap).incremental_alter_configs([changed], **options)[changed])


ADMINS = {}


def admin(bootstrap):
    if bootstrap not in ADMINS:
        ADMINS[bootstrap] = AdminClient({"bootstrap.servers": bootstrap})
    return ADMINS[bootstrap]


# Another broker


def mock_cluster(_, step):
    """The brokers that librdkafka has for its own tests, three of them, until the file `stopFile` exists."""
    client = Producer({"test.mock.num.brokers": 3, "log_level": 3})
    brokers = client.list_topics(timeout=TIMEOUT_SECONDS).brokers.values()
    replacement = step["addressFile"] + ".new"
    with open(replacement, "w") as file:
        file.write(",".join(f"{broker.host}:{broker.port}" for broker in brokers))
    os.rename(replacement, step["addressFile"])
    while not os.path.exists(step["stopFile"]):
        time.sleep(0.02)


if __name__ == "__main__":
    steps.run(
        lambda bootstrap: bootstrap,
        {
            function.__name__: function
            for function in (
                produce,
                consume,
                seek,
                offsets,
                produce_sequence,
                consume_sequence,
                metadata,
                create_topic,
                describe_topic,
                create_partitions,
                delete_topic,
                delete_records,
                describe_cluster,
                list_offsets,
                describe_configs,
                alter_configs,
                incremental_alter_configs,
                mock_cluster,
            )
        },
    )
