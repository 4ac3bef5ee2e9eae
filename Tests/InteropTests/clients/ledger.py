# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""What was sent, what was acknowledged, and whether a log holds it: the books of the kill tests.

The value of a record says who sent it (producer, topic, partition), the how manieth of this producer it is in this
partition, and how often the topic had been made; filler and a CRC-32 follow. So every record that is read accounts for
itself, and everything else was never sent.
"""

import array
import json
import os
import struct
import zlib

HEADER = struct.Struct(">HHHHQ")
CHECKSUM = struct.Struct(">I")
# Problems beyond these say nothing new.
PROBLEMS_SHOWN = 30
FILLER_BYTES_MAX = 400
NOT_ACKNOWLEDGED = -1
# The answer said that the record is there, and not where: of a batch that was sent again late.
SOMEWHERE = -2


def value_of(producer, topic, partition, generation, number):
    head = HEADER.pack(producer, topic, partition, generation, number)
    filler = head[-4:] * ((number * 2654435761 % FILLER_BYTES_MAX) // 4)
    return head + filler + CHECKSUM.pack(zlib.crc32(head + filler))


def parse(value):
    """(producer, topic, partition, generation, number), or None for bytes that nobody sent."""
    if value is None or len(value) < HEADER.size + CHECKSUM.size:
        return None
    found = HEADER.unpack_from(value)
    return found if value == value_of(*found) else None


class Problems:
    """The first problems in words, and how many there were."""

    def __init__(self):
        self.shown, self.count = [], 0

    def add(self, text):
        self.count += 1
        if len(self.shown) < PROBLEMS_SHOWN:
            self.shown.append(text)

    def result(self):
        more = self.count - len(self.shown)
        return self.shown + ([f"and {more} more"] if more else [])


class Book:
    """One producer's records in one partition, by number: the offset of the answer, and the cycle it came in."""

    def __init__(self):
        self.offsets = array.array("q")
        self.cycles = array.array("H")

    def send(self):
        self.offsets.append(NOT_ACKNOWLEDGED)
        self.cycles.append(0)
        return len(self.offsets) - 1

    def acknowledge(self, number, offset, cycle):
        self.offsets[number] = offset if offset >= 0 else SOMEWHERE
        self.cycles[number] = cycle

    def write(self, path):
        with open(path, "wb") as file:
            self.offsets.tofile(file)
        with open(path + ".cycles", "wb") as file:
            self.cycles.tofile(file)

    @staticmethod
    def read(path):
        book = Book()
        book.offsets.frombytes(open(path, "rb").read())
        book.cycles.frombytes(open(path + ".cycles", "rb").read())
        return book


class Ledger:
    """The books of all producers. Written to a folder at the end."""

    def __init__(self):
        self.books = {}
        self.is_idempotent = {}

    def book(self, producer, topic, partition):
        key = (producer, topic, partition)
        if key not in self.books:
            self.books[key] = Book()
        return self.books[key]

    def write(self, folder):
        os.makedirs(folder, exist_ok=True)
        for number, book in enumerate(self.books.values()):
            book.write(os.path.join(folder, f"{number}.book"))
        with open(os.path.join(folder, "index.json"), "w") as file:
            json.dump({"keys": list(self.books), "isIdempotent": list(self.is_idempotent.items())}, file)

    @staticmethod
    def read(folder):
        ledger = Ledger()
        with open(os.path.join(folder, "index.json")) as file:
            index = json.load(file)
        ledger.is_idempotent = dict(index["isIdempotent"])
        for number, key in enumerate(index["keys"]):
            ledger.books[tuple(key)] = Book.read(os.path.join(folder, f"{number}.book"))
        return ledger


class PartitionAudit:
    """Takes the records of one partition in order and says what is wrong with them."""

    def __init__(self, ledger, topics, topic, partition, problems):
        self.ledger, self.problems = ledger, problems
        self.topic, self.partition = topic, partition
        self.name = f"{topics[topic]}-{partition}"
        self.next_offset = 0
        # By producer: how often each number was seen, and for idempotent ones which is next.
        self.seen = {}
        self.next_number = {}

    def take(self, offset, value):
        if offset != self.next_offset:
            self.problems.add(f"{self.name}: offset {offset} comes where {self.next_offset} is due")
        self.next_offset = offset + 1
        found = parse(value)
        if found is None:
            self.problems.add(f"{self.name}: at offset {offset} are {len(value or b'')} bytes that nobody sent")
            return
        producer, topic, partition, _, number = found
        book = self.ledger.books.get((producer, topic, partition))
        if (topic, partition) != (self.topic, self.partition) or book is None or number >= len(book.offsets):
            self.problems.add(f"{self.name}: at offset {offset} is {found}, which was not sent here")
            return
        if producer not in self.seen:
            self.seen[producer] = bytearray(len(book.offsets))
        seen = self.seen[producer]
        seen[number] = min(seen[number] + 1, 255)
        told = book.offsets[number]
        if self.ledger.is_idempotent[producer]:
            due = self.next_number.get(producer, 0)
            if number != due:
                kind = "again or late" if number < due else "before those that are missing"
                self.problems.add(
                    f"{self.name}: offset {offset} has number {number} of producer {producer}, not {due}: {kind}"
                )
            self.next_number[producer] = max(due, number + 1)
        if told == offset:
            # Marks it as found where the answer said.
            book.cycles[number] |= 0x8000

    def finish(self, end_offset, high_watermark):
        if not self.next_offset == end_offset == high_watermark:
            self.problems.add(
                f"{self.name}: records up to {self.next_offset}, ListOffsets says {end_offset}, "
                f"the high watermark is {high_watermark}"
            )
        for (producer, topic, partition), book in self.ledger.books.items():
            if (topic, partition) == (self.topic, self.partition):
                self.compare(producer, book)

    def compare(self, producer, book):
        seen = self.seen.get(producer, bytearray(len(book.offsets)))
        is_idempotent = self.ledger.is_idempotent[producer]
        for number, offset in enumerate(book.offsets):
            if offset == NOT_ACKNOWLEDGED:
                continue
            cycle = book.cycles[number] & 0x7FFF
            who = f"{self.name}: number {number} of producer {producer}, acknowledged at {offset} in cycle {cycle},"
            if seen[number] == 0:
                self.problems.add(f"{who} is missing")
            elif is_idempotent and seen[number] > 1:
                self.problems.add(f"{who} is there {seen[number]} times")
            elif offset != SOMEWHERE and not book.cycles[number] & 0x8000:
                self.problems.add(f"{who} is not at that offset")
