# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""Numbered records: what proves that nothing is lost, doubled or out of order.

Record i goes to partition i % partitions and its bytes follow from i. So a partition p of P must hold exactly the
records p, p + P, p + 2P and so on, in this order.
"""

import os
import time

NUMBER_BYTES = 8
# Problems beyond these say nothing new.
PROBLEMS_SHOWN = 10
# How many records leave between two looks at the clock and the stop file.
PACE_RECORDS = 50


def record_bytes(number, size):
    filler = (number * 2654435761 % (1 << 32)).to_bytes(4, "big")
    count = size - NUMBER_BYTES
    return number.to_bytes(NUMBER_BYTES, "big") + (filler * (count // 4 + 1))[:count]


class Sender:
    """Counts up to `count`, or until the file `stopFile` exists, and tells how far the broker has acknowledged."""

    def __init__(self, step):
        self.count = step.get("count")
        self.stop_file = step.get("stopFile")
        self.progress_file = step.get("progressFile")
        self.records_per_second = step.get("recordsPerSecond")
        self.acknowledged = 0
        self.failures = []
        self.sent = 0

    def numbers(self):
        started = time.monotonic()
        while self.count is None or self.sent < self.count:
            if self.sent % PACE_RECORDS == 0:
                if self.stop_file and os.path.exists(self.stop_file):
                    return
                if self.records_per_second:
                    ahead = self.sent / self.records_per_second - (time.monotonic() - started)
                    if ahead > 0:
                        time.sleep(ahead)
            yield self.sent
            self.sent += 1

    def succeeded(self):
        self.acknowledged += 1
        if self.progress_file and self.acknowledged % PACE_RECORDS == 0:
            replacement = self.progress_file + ".new"
            with open(replacement, "w") as file:
                file.write(str(self.acknowledged))
            os.rename(replacement, self.progress_file)

    def failed(self, error):
        if len(self.failures) < PROBLEMS_SHOWN:
            self.failures.append(str(error))

    def result(self):
        return {"sent": self.sent, "acknowledged": self.acknowledged, "failures": self.failures}


class Receiver:
    """Checks each record against the one that has to come next in its partition."""

    def __init__(self, step):
        self.partitions = step["partitions"]
        self.size = step["size"]
        self.next = list(range(self.partitions))
        self.problems = []
        self.count = 0

    def receive(self, partition, offset, value):
        self.count += 1
        number = int.from_bytes(value[:NUMBER_BYTES], "big")
        expected = self.next[partition]
        if number != expected:
            kind = "doubled or late" if number < expected else "missing before it"
            self.problem(f"partition {partition} offset {offset}: record {number}, not {expected} ({kind})")
        elif value != record_bytes(number, self.size):
            self.problem(f"partition {partition} offset {offset}: record {number} has other bytes than were sent")
        self.next[partition] = max(expected, number + self.partitions)

    def problem(self, text):
        if len(self.problems) < PROBLEMS_SHOWN:
            self.problems.append(text)

    def result(self):
        return {"count": self.count, "problems": self.problems}
