# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""Just enough of the protocol by hand to send what no client library would: right requests and wrong ones."""

import socket
import struct
import time

import crc32c

API_VERSIONS = 18
PRODUCE = 0
FETCH = 1
LIST_OFFSETS = 2
METADATA = 3
INIT_PRODUCER_ID = 22

PRODUCE_VERSION = 8
FETCH_VERSION = 4
METADATA_VERSION = 4
LIST_OFFSETS_VERSION = 1

NO_PRODUCER = (-1, -1, -1)


class Connection:
    """A socket with the framing of the protocol on it."""

    def __init__(self, bootstrap, timeout=10):
        host, _, port = bootstrap.rpartition(":")
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, count):
        """Exactly `count` bytes, or None when the broker closes the connection first."""
        data = b""
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except ConnectionResetError:
                return None
            if not part:
                return None
            data += part
        return data

    def answer(self):
        """The next answer without its length, or None when the broker closes the connection."""
        length = self.receive(4)
        return None if length is None else self.receive(struct.unpack(">i", length)[0])

    def is_closed_by_broker(self):
        """Waits until the broker has closed the connection; it must not have said anything before."""
        return self.receive(1) is None

    def ask(self, frame):
        self.send(frame)
        return self.answer()


def string(text):
    if text is None:
        return struct.pack(">h", -1)
    return struct.pack(">h", len(text)) + text.encode()


def frame(api_key, version, body, correlation=1, client="interop"):
    """A request with header version 1."""
    request = struct.pack(">hhi", api_key, version, correlation) + string(client) + body
    return struct.pack(">i", len(request)) + request


def api_versions_request(correlation=1):
    return frame(API_VERSIONS, 0, b"", correlation)


def metadata_request(topic, correlation=1):
    return frame(METADATA, METADATA_VERSION, struct.pack(">i", 1) + string(topic) + b"\x00", correlation)


def produce_request(topic, records, acks=-1, partition=0, correlation=1):
    body = string(None) + struct.pack(">hii", acks, 10000, 1) + string(topic)
    body += struct.pack(">iii", 1, partition, len(records)) + records
    return frame(PRODUCE, PRODUCE_VERSION, body, correlation)


def fetch_request(topic, offset, max_wait_ms=500, min_bytes=1, partition=0, correlation=1):
    body = struct.pack(">iiiib", -1, max_wait_ms, min_bytes, 1 << 20, 0)
    body += struct.pack(">i", 1) + string(topic) + struct.pack(">iiqi", 1, partition, offset, 1 << 20)
    return frame(FETCH, FETCH_VERSION, body, correlation)


def list_offsets_request(topic, partition=0, correlation=1):
    body = struct.pack(">ii", -1, 1) + string(topic) + struct.pack(">iiq", 1, partition, -1)
    return frame(LIST_OFFSETS, LIST_OFFSETS_VERSION, body, correlation)


def init_producer_id_request():
    return frame(INIT_PRODUCER_ID, 0, string(None) + struct.pack(">i", 60000))


class Answer:
    """Reads an answer, header version 0, from its front."""

    def __init__(self, data):
        self.data = data
        self.position = 0
        self.correlation = self.take("i")

    def take(self, kind):
        (value,) = struct.unpack_from(">" + kind, self.data, self.position)
        self.position += struct.calcsize(">" + kind)
        return value

    def string(self):
        length = self.take("h")
        if length < 0:
            return None
        self.position += length
        return self.data[self.position - length : self.position].decode()

    def bytes(self):
        length = self.take("i")
        self.position += max(0, length)
        return self.data[self.position - max(0, length) : self.position]


def read_produce_answer(data):
    """The one partition of a produce answer."""
    answer = Answer(data)
    assert answer.take("i") == 1
    answer.string()
    assert answer.take("i") == 1
    answer.take("i")
    code, base_offset, _, _ = answer.take("h"), answer.take("q"), answer.take("q"), answer.take("q")
    record_errors = [{"index": answer.take("i"), "message": answer.string()} for _ in range(answer.take("i"))]
    message = answer.string()
    answer.take("i")
    assert answer.position == len(data)
    return {"code": code, "baseOffset": base_offset, "recordErrors": record_errors, "message": message}


def read_fetch_answer(data):
    """The one partition of a fetch answer."""
    answer = Answer(data)
    answer.take("i")
    assert answer.take("i") == 1
    answer.string()
    assert answer.take("i") == 1
    answer.take("i")
    code, high_watermark = answer.take("h"), answer.take("q")
    answer.take("q")
    aborted = answer.take("i")
    assert aborted <= 0
    records = answer.bytes()
    assert answer.position == len(data)
    return {"code": code, "highWatermark": high_watermark, "records": records}


# Record batches


def varint(value):
    value = (value << 1) ^ (value >> 63)
    data = b""
    while value & ~0x7F:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def varbytes(data):
    return varint(-1) if data is None else varint(len(data)) + data


def batch(records, attributes=0, magic=2, producer=NO_PRODUCER, break_checksum=False):
    """A record batch of (key, value) pairs. Its offsets start at 0, its timestamps are the present."""
    now = int(time.time() * 1000)
    body = b""
    for delta, (key, value) in enumerate(records):
        record = b"\x00" + varint(0) + varint(delta) + varbytes(key) + varbytes(value) + varint(0)
        body += varint(len(record)) + record
    checked = struct.pack(">hiqqqhi", attributes, len(records) - 1, now, now, *producer)
    checked += struct.pack(">i", len(records)) + body
    checksum = crc32c.crc32c(checked) ^ (1 if break_checksum else 0)
    return struct.pack(">qiibI", 0, len(checked) + 9, -1, magic, checksum) + checked


def message_set_of_magic_1(key, value):
    """What producers sent before Kafka 0.11."""
    import zlib

    checked = struct.pack(">bbq", 1, 0, int(time.time() * 1000))
    checked += struct.pack(">i", len(key)) + key + struct.pack(">i", len(value)) + value
    return struct.pack(">qiI", 0, len(checked) + 4, zlib.crc32(checked)) + checked


def batch_header(data):
    base_offset, length, epoch, magic, _, attributes, last_delta = struct.unpack_from(">qiibIhi", data)
    (count,) = struct.unpack_from(">i", data, 57)
    codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
    return {
        "baseOffset": base_offset,
        "sizeInBytes": length + 12,
        "leaderEpoch": epoch,
        "magic": magic,
        "codec": codecs[attributes & 7],
        "isLogAppendTime": attributes & 8 != 0,
        "lastOffsetDelta": last_delta,
        "recordCount": count,
    }
