# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
"""Runs a program whose standard error is a terminal of 80 columns: on_terminal.py PROGRAM ARGUMENT…

Its standard output is dropped; what the terminal was sent is written to ours. The exit code is the program's.
"""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios


def main():
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    program = subprocess.Popen(
        sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=end,
        env={**os.environ, "TERM": "xterm"})
    os.close(end)
    while True:
        try:
            sent = os.read(terminal, 1 << 16)
        except OSError:
            # Linux says EIO when the last one has closed the terminal.
            break
        if not sent:
            break
        sys.stdout.buffer.write(sent)
    sys.exit(program.wait())


main()
