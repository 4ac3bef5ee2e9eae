# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""Servers that are no broker, or one that is slow, old or unwilling. Serves until it is killed.

    strange_servers.py FILE    writes {"kind": port, ...} to FILE when all of them listen
"""

import json
import os
import socket
import struct
import sys
import threading
import time

API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE, METADATA = 18, 17, 36, 3
UNSUPPORTED_VERSION, SASL_AUTHENTICATION_FAILED = 35, 58


def silent(connection):
    """Accepts and reads, and never says a word."""
    while connection.recv(65536):
        pass


def http(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def hangup(connection):
    connection.recv(65536)


def tls(connection):
    """What a TLS server says to a client that does not speak TLS: a fatal alert."""
    connection.recv(65536)
    connection.sendall(bytes([0x15, 3, 3, 0, 2, 2, 0x46]))


def garbage(connection):
    connection.recv(65536)
    connection.sendall(bytes(reversed(range(256))) * 8)


def requests(connection):
    """Yields API key, version and correlation id of each request."""
    data = b""
    while True:
        while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
            more = connection.recv(65536)
            if not more:
                return
            data += more
        size = struct.unpack(">i", data[:4])[0]
        yield struct.unpack(">hhi", data[4:12])
        data = data[4 + size:]


def answer(connection, correlation, body):
    connection.sendall(struct.pack(">ii", len(body) + 4, correlation) + body)


def versions(connection, version, correlation, apis):
    """ApiVersions 0, also to those who ask in a later version: they are to ask again."""
    error = UNSUPPORTED_VERSION if version > 0 else 0
    entries = b"".join(struct.pack(">hhh", *api) for api in apis)
    answer(connection, correlation, struct.pack(">hi", error, len(apis)) + entries)


def stuck(connection):
    """Says what it serves, and then nothing."""
    apis = [(key, 0, 3) for key in (0, 1, 2, 8, 9, 10, 15, 16, 19, 20, 32, 37, 42, 44, 47)]
    for key, version, correlation in requests(connection):
        if key == API_VERSIONS:
            versions(connection, version, correlation, apis + [(API_VERSIONS, 0, 0), (METADATA, 0, 9)])


def old(connection):
    """A broker that lacks almost everything."""
    for key, version, correlation in requests(connection):
        if key == API_VERSIONS:
            versions(connection, version, correlation, [(API_VERSIONS, 0, 0), (METADATA, 0, 1)])


def refusing(connection):
    """Knows SASL PLAIN, and nobody's password."""
    apis = [(API_VERSIONS, 0, 0), (METADATA, 0, 9), (SASL_HANDSHAKE, 0, 1), (SASL_AUTHENTICATE, 0, 0)]
    for key, version, correlation in requests(connection):
        if key == API_VERSIONS:
            versions(connection, version, correlation, apis)
        elif key == SASL_HANDSHAKE:
            answer(connection, correlation, struct.pack(">hih", 0, 1, 5) + b"PLAIN")
        elif key == SASL_AUTHENTICATE:
            text = b"no such user"
            error = struct.pack(">hh", SASL_AUTHENTICATION_FAILED, len(text))
            answer(connection, correlation, error + text + b"\0\0\0\0")


def listen(serve):
    """Serves on a port that the system chooses; returns it."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(200)

    def connection(peer):
        with peer:
            try:
                serve(peer)
            except OSError:
                # The other side has gone: it has its answer.
                pass

    def accept():
        while True:
            peer, _ = server.accept()
            threading.Thread(target=connection, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1]


def main():
    kinds = [silent, http, hangup, tls, garbage, stuck, old, refusing]
    ports = {kind.__name__: listen(kind) for kind in kinds}
    with open(sys.argv[1] + ".new", "w") as file:
        json.dump(ports, file)
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
