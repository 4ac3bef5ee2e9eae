# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""Steps that speak to the socket directly: what a hostile, broken or unusual peer would send."""

import socket
import struct

import steps
import wire


def truncated_frame(bootstrap, _):
    """Promises more bytes than it sends, and goes."""
    with wire.Connection(bootstrap) as connection:
        connection.send(wire.api_versions_request()[:-3])


def frame_of_length(bootstrap, step):
    with wire.Connection(bootstrap) as connection:
        connection.send(struct.pack(">i", step["length"]) + b"\x00\x12\x00\x00")
        return {"isClosed": connection.is_closed_by_broker()}


def garbage(bootstrap, step):
    with wire.Connection(bootstrap) as connection:
        connection.send(steps.decode(step["bytes"]))
        return {"isClosed": connection.is_closed_by_broker()}


def unserved(bootstrap, step):
    """A well-formed header with an API key or a version that is not served."""
    with wire.Connection(bootstrap) as connection:
        connection.send(wire.frame(step["apiKey"], step["version"], b"\x00" * 16))
        return {"isClosed": connection.is_closed_by_broker()}


def trailing_bytes(bootstrap, _):
    with wire.Connection(bootstrap) as connection:
        connection.send(wire.frame(wire.METADATA, 1, struct.pack(">i", 0) + b"rest"))
        return {"isClosed": connection.is_closed_by_broker()}


def huge_count(bootstrap, _):
    """An array of two thousand million topics in a frame of a few bytes."""
    with wire.Connection(bootstrap) as connection:
        connection.send(wire.frame(wire.METADATA, 1, struct.pack(">i", 2_000_000_000)))
        return {"isClosed": connection.is_closed_by_broker()}


def api_versions(bootstrap, step):
    """Asks in version `version` and reads the answer as version 0."""
    body = b"\x00" + b"\x08interop" + b"\x021" + b"\x00" if step["version"] >= 3 else b""
    with wire.Connection(bootstrap) as connection:
        answer = wire.Answer(connection.ask(wire.frame(wire.API_VERSIONS, step["version"], body)))
    code = answer.take("h")
    ranges = {answer.take("h"): [answer.take("h"), answer.take("h")] for _ in range(answer.take("i"))}
    return {"code": code, "ranges": ranges, "bytesLeft": len(answer.data) - answer.position}


def init_producer_id(bootstrap, _):
    with wire.Connection(bootstrap) as connection:
        answer = wire.Answer(connection.ask(wire.init_producer_id_request()))
    answer.take("i")
    return {"code": answer.take("h"), "producerID": answer.take("q"), "epoch": answer.take("h")}


def records_of(step):
    producer = (step["producerID"], 0, step["sequence"]) if "producerID" in step else wire.NO_PRODUCER
    good = wire.batch([(b"key", b"value")], producer=producer)
    return {
        "good": good,
        "wrong checksum": wire.batch([(b"key", b"value")], break_checksum=True),
        "two batches": good + good,
        "magic 1": wire.message_set_of_magic_1(b"key", b"value"),
        "no key": wire.batch([(b"key", b"value"), (None, b"value")]),
        "cut": good[:-1],
        "unknown codec": wire.batch([(b"key", b"value")], attributes=7),
        "control": wire.batch([(b"\x00\x00\x00\x01", b"\x00" * 6)], attributes=0x20),
        "none": b"",
    }[step["records"]]


def produce(bootstrap, step):
    request = wire.produce_request(step["topic"], records_of(step), step.get("acks", -1), step.get("partition", 0))
    with wire.Connection(bootstrap) as connection:
        if step.get("acks") == 0:
            connection.send(request)
            return {"isClosed": connection.is_closed_by_broker()}
        outcome = wire.read_produce_answer(connection.ask(request))
    if outcome["code"]:
        return {**outcome, **steps.failure(outcome["code"], outcome["message"])}
    return outcome


def first_batch(bootstrap, step):
    """The header of the batch that a fetch from `offset` begins with."""
    with wire.Connection(bootstrap) as connection:
        answer = connection.ask(wire.fetch_request(step["topic"], step["offset"], partition=step.get("partition", 0)))
    outcome = wire.read_fetch_answer(answer)
    if outcome["code"]:
        raise steps.StepFailed(outcome["code"], None)
    return wire.batch_header(outcome["records"])


def byte_by_byte(bootstrap, step):
    """A whole produce request, one byte in each packet."""
    with wire.Connection(bootstrap) as connection:
        for byte in wire.produce_request(step["topic"], wire.batch([(b"key", b"slow")])):
            connection.send(bytes([byte]))
        return wire.read_produce_answer(connection.answer())


def connections(bootstrap, step):
    """Opens connections, some of which say half a frame, holds them all, and drops them."""
    held = []
    for number in range(step["count"]):
        connection = wire.Connection(bootstrap)
        if number % 2:
            connection.send(wire.api_versions_request()[:7])
        if number % 3 == 0:
            # Closing then resets the connection instead of ending it in order.
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        held.append(connection)
    for connection in held:
        connection.socket.close()
    return {"opened": len(held)}


def pipelined(bootstrap, step):
    """Many requests of several kinds before the first answer is read, a slow fetch among them."""
    topic = step["topic"]
    builders = [
        lambda number: wire.produce_request(topic, wire.batch([(b"key", b"%d" % number)]), correlation=number),
        lambda number: wire.api_versions_request(number),
        lambda number: wire.metadata_request(topic, number),
        lambda number: wire.list_offsets_request(topic, correlation=number),
        # Far more bytes than there are: it waits until its time is up.
        lambda number: wire.fetch_request(topic, 0, max_wait_ms=20, min_bytes=1 << 20, correlation=number),
    ]
    with wire.Connection(bootstrap) as connection:
        connection.send(b"".join(builders[number % len(builders)](number) for number in range(step["count"])))
        answers = [connection.answer() for _ in range(step["count"])]
    produced = [wire.read_produce_answer(answer) for answer in answers[:: len(builders)]]
    return {
        "correlations": [wire.Answer(answer).correlation for answer in answers],
        "offsets": [outcome["baseOffset"] for outcome in produced],
    }


def deaf(bootstrap, step):
    """Asks for far more than it reads, and goes."""
    with wire.Connection(bootstrap) as connection:
        connection.socket.settimeout(0.5)
        try:
            for number in range(step["count"]):
                connection.send(wire.fetch_request(step["topic"], 0, max_wait_ms=0, correlation=number))
        except TimeoutError:
            return {"isHeldBack": True}
        return {"isHeldBack": False}


if __name__ == "__main__":
    steps.run(
        lambda bootstrap: bootstrap,
        {
            function.__name__: function
            for function in (
                truncated_frame,
                frame_of_length,
                garbage,
                unserved,
                trailing_bytes,
                huge_count,
                api_versions,
                init_producer_id,
                produce,
                first_batch,
                byte_by_byte,
                connections,
                pipelined,
                deaf,
            )
        },
    )
