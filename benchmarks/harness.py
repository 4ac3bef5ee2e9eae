# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""What the benchmarks share: the C programs, a broker to drive, and tables."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, "limits", "build")
MIB = 1 << 20
GB = 10**9
START_TIMEOUT_MS = 60_000
LOAD_TIMEOUT_S = 1_800
IN_FLIGHT = 5  # What Kafka's own producer allows itself.
KIB = 1 << 10


def figures(line):
    """The name=number pairs of a line that one of the C programs printed."""
    return {name: float(value) for name, value in re.findall(r"(\w+)=([-\d.]+)", line)}


def run(program, *arguments):
    command = [os.path.join(BUILD, program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_TIMEOUT_S)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip() or 'failed'}")
    return figures(done.stdout)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """One `martlet serve`, on a free port and a directory of its own."""

    running = []

    def __init__(self, martlet, directory, **settings):
        self.directory = directory
        self.address = f"127.0.0.1:{free_port()}"
        self.log = os.path.join(directory, "broker.log")
        os.makedirs(directory, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}
        environment["KAFKA_LISTENERS"] = f"PLAINTEXT://{self.address}"
        environment["KAFKA_LOG_DIRS"] = os.path.join(directory, "data")
        environment.update(settings)
        started = time.monotonic_ns()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [martlet, "serve"], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, cwd=directory
            )
        Broker.running.append(self.process)
        self.start_ms = self.wait_for_answer(started)

    def wait_for_answer(self, since_ns):
        """Milliseconds from then to the first answer."""
        command = [os.path.join(BUILD, "drive"), "wait", self.address, str(since_ns), str(START_TIMEOUT_MS)]
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        while driver.poll() is None and self.process.poll() is None:
            time.sleep(0.02)
        if driver.poll() != 0:
            driver.kill()
            self.show_log()
            sys.exit(f"the broker did not come up (exit code {self.process.poll()})")
        return figures(driver.stdout.read())["ms"]

    def show_log(self):
        with open(self.log, errors="replace") as log:
            sys.stderr.write("".join(log.readlines()[-20:]))

    def cpu(self):
        """Seconds in user mode and in the kernel, of all threads so far."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        return int(fields[11]) / ticks, int(fields[12]) / ticks

    def memory_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            kib = {line.split()[0]: int(line.split()[1]) for line in status if line.startswith(("VmRSS", "VmHWM"))}
        return kib["VmRSS:"] / 1024, kib["VmHWM:"] / 1024

    def measure(self, *arguments):
        """Runs the load driver; its figures, with the broker's CPU time for it."""
        before = self.cpu()
        try:
            result = run("drive", *arguments)
        except SystemExit:
            self.show_log()
            raise
        after = self.cpu()
        gigabytes = result["bytes"] / GB
        result["user_s_per_gb"] = (after[0] - before[0]) / gigabytes
        result["system_s_per_gb"] = (after[1] - before[1]) / gigabytes
        result["cpu_s_per_gb"] = result["user_s_per_gb"] + result["system_s_per_gb"]
        return result

    def create(self, topic, partitions, **configs):
        """Makes a topic; a config's name has underscores for its dots."""
        named = [f"{name.replace('_', '.')}={value}" for name, value in configs.items()]
        command = [os.path.join(BUILD, "drive"), "create", self.address, topic, str(partitions), *named]
        subprocess.run(command, check=True)

    def log_bytes(self):
        """What lies in all segments; once the broker is stopped, so that nothing is under way."""
        return sum(
            os.path.getsize(os.path.join(folder, name))
            for folder, _, names in os.walk(os.path.join(self.directory, "data"))
            for name in names
            # Named by their first offset: a journal is something else.
            if re.fullmatch(r"\d{20}\.log", name)
        )

    def kill(self):
        """Ends it as a crash does."""
        self.process.kill()
        self.process.wait()

    def remove(self):
        """Ends it at once and removes its directory, down to the disk: what comes next is not to wait for it."""
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory)
        os.sync()

    def stop(self):
        """Ends it as an operator does; seconds until it was gone."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.show_log()
            sys.exit("the broker did not stop within 60 s of SIGTERM")
        if code != 0:
            self.show_log()
            print(f"warning: the broker exited with {code} after SIGTERM", file=sys.stderr)
        return time.monotonic() - started


def print_table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("| " + " | ".join(cells) + " |")
        if number == 0:
            print("| " + " | ".join(["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]) + " |")


def add_common_options(parser):
    parser.add_argument("--martlet", required=True, help="the release build of the executable")
    parser.add_argument("--directory", default=tempfile.gettempdir(), help="where the data goes (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write all figures to a file, too")


@contextlib.contextmanager
def workplace(options):
    """Builds the C programs and gives a temporary directory; ends every broker and removes it, however it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that what is below is cleaned up then, too.
    options.martlet = os.path.abspath(options.martlet)
    subprocess.run(["make", "--silent", "--directory", os.path.join(HERE, "limits")], check=True)
    directory = tempfile.mkdtemp(prefix="martlet-bench-", dir=options.directory)
    try:
        yield directory
    finally:
        for process in Broker.running:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def measure_large(options, directory):
    """Starts with 1,000 partitions and 10 GB: killed when the last of them was acknowledged, stopped in order, and
    killed when it had nothing to do."""
    place = os.path.join(directory, "large")
    broker = Broker(options.martlet, place)
    broker.create("large", 1000)
    run("drive", "produce", broker.address, "large", 1000, MIB, 10 * GB, -1, IN_FLIGHT, 2)
    broker.kill()
    broker = Broker(options.martlet, place)
    result = {"ms_after_load_and_kill": broker.start_ms, "stop_s": broker.stop()}
    broker = Broker(options.martlet, place)
    time.sleep(1)
    result.update(ms=broker.start_ms, resident_mib=broker.memory_mib()[0])
    broker.kill()
    broker = Broker(options.martlet, place)
    result["ms_after_kill"] = broker.start_ms
    broker.remove()
    return result


def large_rows(large, aim_ms, aim_after_kill_ms):
    return [
        ["start with 1,000 partitions and 10 GB", f"{large['ms']:.0f} ms", f"{aim_ms} ms"],
        ["the same after kill -9 when idle", f"{large['ms_after_kill']:.0f} ms", f"{aim_after_kill_ms} ms"],
        ["the same after kill -9 at the end of the load", f"{large['ms_after_load_and_kill']:.0f} ms",
         f"{aim_after_kill_ms} ms"],
        ["resident memory after the start", f"{large['resident_mib']:.1f} MiB", ""],
        ["clean shutdown of it", f"{large['stop_s']:.2f} s", ""],
    ]
