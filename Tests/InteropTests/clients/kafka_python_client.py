# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""The steps of steps.py through kafka-python, which shares no code with librdkafka."""

import re
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource
from kafka.errors import BrokerResponseError, KafkaError
from kafka.protocol.consumer import OffsetSpec

import sequence
import steps

TIMEOUT_SECONDS = 30


def failed(error):
    return steps.StepFailed(error.errno if isinstance(error, BrokerResponseError) else None, str(error))


def check(answer):
    """The part of an answer that is about the one topic that was asked for."""
    (topic,) = answer
    if topic["error_code"]:
        raise steps.StepFailed(topic["error_code"], topic.get("error_message"))
    return topic


# Records


def make_producer(bootstrap, step, **settings):
    codec = step.get("codec", "none")
    acks = step.get("acks", "all")
    return KafkaProducer(
        bootstrap_servers=bootstrap,
        acks=acks if acks == "all" else int(acks),
        compression_type=None if codec == "none" else codec,
        **{"enable_idempotence": False, "linger_ms": 50, **settings, **step.get("settings", {})},
    )


def produce(bootstrap, step):
    producer = make_producer(bootstrap, step, delivery_timeout_ms=TIMEOUT_SECONDS * 1000 + 100)
    futures = [
        producer.send(
            step["topic"],
            value=steps.value_of(record),
            key=steps.decode(record.get("key")),
            headers=[(header["name"], steps.decode(header["value"])) for header in record.get("headers", [])],
            partition=record.get("partition"),
            timestamp_ms=record.get("timestamp"),
        )
        for record in step["records"]
    ]
    producer.flush(TIMEOUT_SECONDS)
    deliveries = []
    for future in futures:
        try:
            delivered = future.get(TIMEOUT_SECONDS)
            deliveries.append({"partition": delivered.partition, "offset": delivered.offset})
        except BrokerResponseError as error:
            deliveries.append(steps.failure(error.errno, str(error)))
    producer.close()
    return {"deliveries": deliveries}


def make_consumer(bootstrap, step):
    return KafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        # Questions about offsets wait behind the fetch on the same connection.
        fetch_max_wait_ms=20,
        isolation_level=step.get("isolation", "read_uncommitted"),
        **step.get("settings", {}),
    )


def assign(consumer, step):
    consumer.assign([TopicPartition(step["topic"], entry["partition"]) for entry in step["from"]])
    for entry in step["from"]:
        consumer.seek(TopicPartition(step["topic"], entry["partition"]), entry["offset"])


def messages(consumer, count, seconds=TIMEOUT_SECONDS):
    """The next `count` messages."""
    deadline = time.monotonic() + seconds
    while count > 0:
        try:
            polled = consumer.poll(timeout_ms=1000, max_records=count)
        except BrokerResponseError as error:
            raise failed(error) from error
        for batch in polled.values():
            for message in batch:
                yield message
                count -= 1
        if count > 0 and not polled and time.monotonic() > deadline:
            raise SystemExit(f"{count} records were still to come after {seconds} s")


def consume(bootstrap, step):
    consumer = make_consumer(bootstrap, step)
    assign(consumer, step)
    records = [
        steps.received(
            step,
            message.topic,
            message.partition,
            message.offset,
            message.timestamp,
            message.key,
            message.value,
            message.headers,
        )
        for message in messages(consumer, step["count"])
    ]
    ends = consumer.end_offsets([TopicPartition(step["topic"], entry["partition"]) for entry in step["from"]])
    consumer.close()
    return {"records": records, "ends": {partition.partition: end for partition, end in ends.items()}}


def seek(bootstrap, step):
    """The offset of the record that comes after each seek."""
    consumer = make_consumer(bootstrap, step)
    assign(consumer, step)
    offsets = [message.offset for message in messages(consumer, 1)]
    partition = TopicPartition(step["topic"], step["from"][0]["partition"])
    for offset in step["seeks"]:
        consumer.seek(partition, offset)
        offsets.extend(message.offset for message in messages(consumer, 1))
    consumer.close()
    return {"offsets": offsets}


def offsets(bootstrap, step):
    consumer = make_consumer(bootstrap, step)
    partition = TopicPartition(step["topic"], step["partition"])
    low = consumer.beginning_offsets([partition])[partition]
    high = consumer.end_offsets([partition])[partition]
    found = []
    for timestamp in step.get("times", []):
        answer = consumer.offsets_for_times({partition: timestamp})[partition]
        found.append(answer.offset if answer is not None else None)
    consumer.close()
    return {"beginning": low, "end": high, "forTimes": found}


def produce_sequence(bootstrap, step):
    producer = make_producer(
        bootstrap,
        step,
        enable_idempotence=step.get("idempotent", True),
        linger_ms=5,
        reconnect_backoff_ms=20,
        reconnect_backoff_max_ms=100,
        retry_backoff_ms=20,
    )
    sender = sequence.Sender(step)
    for number in sender.numbers():
        value = sequence.record_bytes(number, step["size"])
        future = producer.send(step["topic"], value=value, partition=number % step["partitions"])
        future.add_callback(lambda _: sender.succeeded())
        future.add_errback(sender.failed)
    producer.flush(2 * TIMEOUT_SECONDS)
    producer.close()
    return sender.result()


def consume_sequence(bootstrap, step):
    consumer = make_consumer(bootstrap, step)
    partitions = [TopicPartition(step["topic"], partition) for partition in range(step["partitions"])]
    ends = consumer.end_offsets(partitions)
    consumer.assign(partitions)
    for partition in partitions:
        consumer.seek(partition, 0)
    receiver = sequence.Receiver(step)
    for message in messages(consumer, sum(ends.values()), seconds=60):
        receiver.receive(message.partition, message.offset, message.value)
    consumer.close()
    return receiver.result()


# Administration


def metadata(bootstrap, step):
    """What a client learns about brokers; naming a topic may create it."""
    if step.get("topic"):
        producer = KafkaProducer(bootstrap_servers=bootstrap, max_block_ms=5000)
        try:
            producer.partitions_for(step["topic"])
        except BrokerResponseError as error:
            raise failed(error) from error
        except KafkaError as error:
            # kafka-python asks for an unknown topic again and again until it gives up.
            raise steps.StepFailed(3, str(error)) from error
        finally:
            producer.close()
    cluster = describe_cluster(bootstrap, step)
    topics = admin(bootstrap).describe_topics()
    return {**cluster, "topics": {topic["name"]: len(topic["partitions"]) for topic in topics}}


def create_topic(bootstrap, step):
    options = {
        "num_partitions": step.get("partitions", -1),
        "replication_factor": step.get("replicationFactor", -1),
        "configs": step.get("configs", {}),
    }
    answer = admin(bootstrap).create_topics(
        {step["topic"]: options}, validate_only=step.get("validateOnly", False), raise_errors=False
    )
    check(answer["topics"])


def describe_topic(bootstrap, step):
    topic = check(admin(bootstrap).describe_topics([step["topic"]]))
    return {
        "name": topic["name"],
        "topicID": str(topic["topic_id"]),
        "isInternal": topic["is_internal"],
        "partitions": [
            {
                "partition": partition["partition_index"],
                "leader": partition["leader_id"],
                "replicas": partition["replica_nodes"],
                "isr": partition["isr_nodes"],
            }
            for partition in topic["partitions"]
        ],
    }


def describe_topic_partitions(bootstrap, step):
    """Page after page, as many partitions each as the step says."""
    pages = []
    cursor = None
    while True:
        answer = admin(bootstrap).describe_topic_partitions(
            step["topics"], response_partition_limit=step["limit"], cursor=cursor
        )
        pages.append(
            [
                {"topic": topic["name"], "error": topic["error_code"], "partition": partition["partition_index"]}
                for topic in answer["topics"]
                for partition in topic["partitions"]
            ]
        )
        cursor = answer["next_cursor"]
        if cursor is None:
            return {"pages": pages}


def create_partitions(bootstrap, step):
    answer = admin(bootstrap).create_partitions({step["topic"]: step["count"]}, raise_errors=False)
    check(answer.to_dict()["results"])


def delete_topic(bootstrap, step):
    check(admin(bootstrap).delete_topics([step["topic"]], raise_errors=False)["topics"])


def delete_records(bootstrap, step):
    partition = TopicPartition(step["topic"], step["partition"])
    try:
        answer = admin(bootstrap).delete_records({partition: step["offset"]})
    except BrokerResponseError as error:
        raise failed(error) from error
    return {"lowWatermark": answer[partition]["low_watermark"]}


def describe_cluster(bootstrap, _):
    cluster = admin(bootstrap).describe_cluster()
    return {
        "clusterID": cluster["cluster_id"],
        "controller": cluster["controller_id"],
        "brokers": [{"id": b["broker_id"], "host": b["host"], "port": b["port"]} for b in cluster["brokers"]],
    }


def describe_log_dirs(bootstrap, _):
    (broker,) = admin(bootstrap).describe_log_dirs()
    return {
        "directories": [
            {
                "error": directory["error_code"],
                "path": directory["log_dir"],
                "totalBytes": directory["total_bytes"],
                "usableBytes": directory["usable_bytes"],
                "sizes": {
                    f"{topic['name']}-{partition['partition_index']}": partition["partition_size"]
                    for topic in directory["topics"]
                    for partition in topic["partitions"]
                },
            }
            for directory in broker["log_dirs"]
        ]
    }


def describe_producers(bootstrap, step):
    partition = TopicPartition(step["topic"], step["partition"])
    states = admin(bootstrap).describe_producers([partition])[partition].active_producers
    return {"producers": [{"id": s.producer_id, "epoch": s.producer_epoch, "sequence": s.last_sequence} for s in states]}


def list_offsets(bootstrap, step):
    named = {"earliest": OffsetSpec.EARLIEST, "latest": OffsetSpec.LATEST, "max_timestamp": OffsetSpec.MAX_TIMESTAMP}
    partition = TopicPartition(step["topic"], step["partition"])
    spec = named[step["spec"]] if step["spec"] in named else int(step["spec"])
    try:
        found = admin(bootstrap).list_partition_offsets({partition: spec})[partition]
    except BrokerResponseError as error:
        raise failed(error) from error
    return {"offset": found.offset, "timestamp": found.timestamp}


def describe_configs(bootstrap, step):
    asked = ConfigResource(step["type"], step["name"])
    answer = admin(bootstrap).describe_configs([asked], include_synonyms=True, config_filter="all")
    return {
        "configs": {
            name: {
                "value": entry["value"],
                "source": entry["config_source"],
                "isReadOnly": entry["read_only"],
                "isSensitive": entry["is_sensitive"],
                "synonyms": entry["synonyms"],
                "documentation": entry.get("documentation"),
            }
            for name, entry in answer[step["type"]][step["name"]].items()
        }
    }


def alter(bootstrap, step, changes, incremental):
    changed = ConfigResource(step["type"], step["name"], changes)
    answer = admin(bootstrap).alter_configs(
        [changed], validate_only=step.get("validateOnly", False), raise_on_unknown=False, incremental=incremental
    )
    outcome = answer[step["type"]][step["name"]]
    if outcome != "OK":
        raise steps.StepFailed(int(re.match(r"\[Error (-?\d+)\]", outcome)[1]), outcome)


def alter_configs(bootstrap, step):
    """The old request. kafka-python completes it with the configs that are set already, so nothing is reset."""
    alter(bootstrap, step, dict(step["configs"]), incremental=False)


def incremental_alter_configs(bootstrap, step):
    changes = {c["name"]: (AlterConfigOp[c["operation"]], c.get("value")) for c in step["changes"]}
    alter(bootstrap, step, changes, incremental=True)


ADMINS = {}


def admin(bootstrap):
    if bootstrap not in ADMINS:
        ADMINS[bootstrap] = KafkaAdminClient(bootstrap_servers=bootstrap)
    return ADMINS[bootstrap]


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
                describe_topic_partitions,
                create_partitions,
                delete_topic,
                delete_records,
                describe_cluster,
                describe_log_dirs,
                describe_producers,
                list_offsets,
                describe_configs,
                alter_configs,
                incremental_alter_configs,
            )
        },
    )
    for client in ADMINS.values():
        client.close()
