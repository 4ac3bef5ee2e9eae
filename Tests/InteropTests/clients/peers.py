# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""Listens where a broker should be and is none: peers.py KIND PORT, until it is killed.

silent: accepts and never answers. closing: accepts and hangs up. http: answers whatever comes as a web server does.
"""

import socket
import sys
import threading


def answer(connection):
    try:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.close()
    except OSError:
        pass


def main():
    kind, port = sys.argv[1], int(sys.argv[2])
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    held = []
    while True:
        connection, _ = listener.accept()
        if kind == "http":
            threading.Thread(target=answer, args=(connection,), daemon=True).start()
        elif kind == "closing":
            connection.close()
        else:
            held.append(connection)


main()
