# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""A long run with retention, compaction and checkpoints at work: does memory stay flat, do producers notice?"""

import os
import statistics
import subprocess
import threading
import time

from harness import BUILD, GB, KIB, MIB, Broker, figures, print_table

SAMPLE_S = 5
# A window of latencies, with and without the work in the background.
WINDOW_S = 60
PARTITIONS = 10
CONNECTIONS = 4
IN_FLIGHT = 5
BATCH_BYTES = 16 * KIB
# What the load asks for, of each of two topics, in requests a second: a machine is to be busy, not full, or latency
# says only how long the queue is.
RATE = 300
KEYS = 20_000

# Small segments that are soon done with, about one a second of each topic, looked at all the time.
BUSY_BROKER = {
    "KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS": "5000",
    "KAFKA_LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS": "5000",
    "KAFKA_LOG_CLEANER_BACKOFF_MS": "5000",
}
RETAINED = {"segment_bytes": 4 * MIB, "retention_bytes": 16 * MIB, "file_delete_delay_ms": 1000}
COMPACTED = {
    "cleanup_policy": "compact", "segment_bytes": 4 * MIB, "min_cleanable_dirty_ratio": 0.01, "file_delete_delay_ms": 1000,
    "delete_retention_ms": 1000,
}
# The same records with nothing to do afterwards.
IDLE_BROKER = {
    "KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS": str(24 * 3_600_000),
    "KAFKA_LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS": str(24 * 3_600_000),
}


class MemorySamples:
    """Resident memory of a broker, every few seconds until stopped."""

    def __init__(self, broker):
        self.broker, self.samples = broker, []
        self.started, self.is_over = time.monotonic(), threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_over.wait(SAMPLE_S):
            self.samples.append((time.monotonic() - self.started, self.broker.memory_mib()[0]))

    def stop(self):
        self.is_over.set()
        self.thread.join()
        return self.samples


def slope_mib_per_minute(samples):
    """Least squares over the second half, when everything that fills up once is full."""
    samples = samples[len(samples) // 2:]
    if len(samples) < 2:
        return 0.0
    times, sizes = zip(*samples)
    middle, mean = statistics.fmean(times), statistics.fmean(sizes)
    spread = sum((moment - middle) ** 2 for moment in times)
    return 60 * sum((moment - middle) * (size - mean) for moment, size in samples) / spread


def load(broker, seconds):
    """Both topics at once at the agreed rate; the figures of each."""
    drivers = []
    for topic in ("retained", "compacted"):
        command = [
            os.path.join(BUILD, "drive"), "produce", broker.address, topic, PARTITIONS, BATCH_BYTES, 1000 * GB, -1,
            IN_FLIGHT, CONNECTIONS, f"seconds={seconds}", f"rate={RATE}", f"keys={KEYS}",
        ]
        drivers.append(subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True))
    results = []
    for driver in drivers:
        output = driver.communicate()[0]
        if driver.returncode != 0:
            broker.show_log()
            raise SystemExit("the load driver failed")
        results.append(figures(output))
    return dict(zip(("retained", "compacted"), results))


def data_mib(broker, topic):
    data = os.path.join(broker.directory, "data")
    total = 0
    for folder in os.listdir(data):
        if folder.startswith(topic + "-"):
            for name in os.listdir(os.path.join(data, folder)):
                try:
                    total += os.path.getsize(os.path.join(data, folder, name))
                except FileNotFoundError:
                    pass  # Deleted between the two looks: that is what is going on here.
    return total / MIB


def measure_steady(session, minutes):
    seconds = max(1, int(minutes * 60))
    window = min(WINDOW_S, seconds)
    martlet = session.options.martlet
    idle = Broker(martlet, os.path.join(session.directory, "idle"), **IDLE_BROKER)
    for topic in ("retained", "compacted"):
        idle.create(topic, PARTITIONS, segment_bytes=GB, retention_ms=-1)
    load(idle, min(10, window))  # Not counted: it warms up.
    without = [load(idle, window)]
    session.say(f"without background work: p99 {without[0]['retained']['p99_us'] / 1000:.2f} ms")

    busy = Broker(martlet, os.path.join(session.directory, "busy"), **BUSY_BROKER)
    busy.create("retained", PARTITIONS, **RETAINED)
    busy.create("compacted", PARTITIONS, **COMPACTED)
    load(busy, min(10, window))
    samples = MemorySamples(busy)
    windows = []
    try:
        while seconds > 0:
            windows.append(load(busy, min(window, seconds)))
            seconds -= window
            last = windows[-1]["retained"]
            session.say(f"with it: p99 {last['p99_us'] / 1000:.2f} ms, {busy.memory_mib()[0]:.1f} MiB resident")
    finally:
        memory = samples.stop()
    kept = {topic: data_mib(busy, topic) for topic in ("retained", "compacted")}
    busy.stop()
    busy.remove()
    # Once more at the end: the machine may not be what it was.
    without.append(load(idle, window))
    session.say(f"without it again: p99 {without[1]['retained']['p99_us'] / 1000:.2f} ms")
    idle.remove()
    return {"minutes": minutes, "without": without, "windows": windows, "memory": memory, "kept_mib": kept}


def report_steady(steady):
    windows, without = steady["windows"], steady["without"]
    print(f"\n{steady['minutes']:g} minutes with retention, compaction and checkpoints at work: latency of acks=all\n")
    rows = [["", "MB/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "p99 beside", "aim"]]
    for topic in ("retained", "compacted"):
        for moment, result in zip(("before", "after"), without):
            rows.append([f"{topic}, no background work, {moment}", *row_of(result[topic]), "", ""])
        alone_us = statistics.fmean(result[topic]["p99_us"] for result in without)
        # The median window stands for the run, and the worst shows what hides behind it.
        ordered = sorted((window[topic] for window in windows), key=lambda result: result["p99_us"])
        for name, result in (("median window", ordered[len(ordered) // 2]), ("worst window", ordered[-1])):
            ratio = result["p99_us"] / alone_us
            aim = "less than 2" if name == "median window" else ""
            rows.append([f"{topic}, with it, {name}", *row_of(result), f"{ratio:.2f}", aim])
    print_table(rows)
    sizes = [size for _, size in steady["memory"]]
    print()
    rows = [["", "min", "median", "max", "slope of the second half"]]
    if sizes:
        rows.append([
            "resident memory", f"{min(sizes):.1f} MiB", f"{statistics.median(sizes):.1f} MiB", f"{max(sizes):.1f} MiB",
            f"{slope_mib_per_minute(steady['memory']):+.2f} MiB/min",
        ])
    print_table(rows)
    for topic, mib in steady["kept_mib"].items():
        written = sum(window[topic]["bytes"] for window in windows) / MIB
        print(f"\n{topic}: {mib:.0f} MiB on disk at the end of {written:.0f} MiB written")


def row_of(result):
    return [f"{result['gb_per_s'] * 1000:.1f}"] + [
        f"{result[name + '_us'] / 1000:.2f}" for name in ("p50", "p99", "p999", "max")
    ]
