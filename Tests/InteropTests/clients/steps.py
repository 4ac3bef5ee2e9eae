# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""How the tests talk to a client program.

A program reads one JSON object from standard input, {"bootstrap": ADDRESS, "steps": [STEP, ...]}, runs the steps in
order and prints {"results": [RESULT, ...]}. The field "do" of a step names the function that runs it, the other fields
are its arguments. An error that Kafka's protocol names is a result too, {"error": NAME, "message": TEXT}; any other
exception ends the program with a traceback, and the test with it.

Bytes travel as base64, and null as null.
"""

import base64
import json
import sys

# The names that the protocol gives to the error codes that the tests meet. The libraries disagree about some of them.
ERROR_NAMES = {
    -1: "UNKNOWN_SERVER_ERROR",
    1: "OFFSET_OUT_OF_RANGE",
    2: "CORRUPT_MESSAGE",
    3: "UNKNOWN_TOPIC_OR_PARTITION",
    5: "LEADER_NOT_AVAILABLE",
    6: "NOT_LEADER_OR_FOLLOWER",
    7: "REQUEST_TIMED_OUT",
    10: "MESSAGE_TOO_LARGE",
    17: "INVALID_TOPIC_EXCEPTION",
    18: "RECORD_LIST_TOO_LARGE",
    21: "INVALID_REQUIRED_ACKS",
    32: "INVALID_TIMESTAMP",
    35: "UNSUPPORTED_VERSION",
    36: "TOPIC_ALREADY_EXISTS",
    37: "INVALID_PARTITIONS",
    38: "INVALID_REPLICATION_FACTOR",
    39: "INVALID_REPLICA_ASSIGNMENT",
    40: "INVALID_CONFIG",
    41: "NOT_CONTROLLER",
    42: "INVALID_REQUEST",
    43: "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    44: "POLICY_VIOLATION",
    45: "OUT_OF_ORDER_SEQUENCE_NUMBER",
    56: "KAFKA_STORAGE_ERROR",
    73: "TOPIC_DELETION_DISABLED",
    76: "UNSUPPORTED_COMPRESSION_TYPE",
    87: "INVALID_RECORD",
    100: "UNKNOWN_TOPIC_ID",
}


class StepFailed(Exception):
    """An error that Kafka's protocol names, as the answer to a step."""

    def __init__(self, code, message):
        super().__init__(message)
        self.outcome = failure(code, message)


def failure(code, message):
    return {"error": ERROR_NAMES.get(code, str(code)), "message": message or ""}


def encode(data):
    return None if data is None else base64.b64encode(data).decode()


def decode(text):
    return None if text is None else base64.b64decode(text)


def value_of(record):
    """The value of a record to produce: given in place, or as the name of the file that holds it."""
    if "valueFile" in record:
        with open(record["valueFile"], "rb") as file:
            return file.read()
    return decode(record.get("value"))


def received(step, topic, partition, offset, timestamp, key, value, headers):
    """A consumed record as the tests compare it. Large values go to a folder instead of into the JSON."""
    record = {
        "partition": partition,
        "offset": offset,
        "timestamp": timestamp,
        "key": encode(key),
        "headers": [{"name": name, "value": encode(content)} for name, content in headers],
    }
    if "valuesTo" in step:
        record["valueFile"] = f"{step['valuesTo']}/{topic}-{partition}-{offset}"
        with open(record["valueFile"], "wb") as file:
            file.write(value)
    else:
        record["value"] = encode(value)
    return record


def run(connect, functions):
    """Runs the steps of standard input. `connect` makes what is handed to every function, from the bootstrap."""
    job = json.load(sys.stdin)
    client = connect(job["bootstrap"])
    results = []
    for step in job["steps"]:
        try:
            results.append(functions[step["do"]](client, step) or {})
        except StepFailed as failed:
            results.append(failed.outcome)
    json.dump({"results": results}, sys.stdout)
