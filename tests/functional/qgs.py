# SPDX-License-Identifier: GPL-2.0-or-later
"""A quote generation service that makes no quotes: it answers with the report it was given, framed
as Intel's service frames quotes, or goes wrong in a chosen way."""

import os
import socket
import struct
import threading
import time

REPORT_SIZE = 1024


def receive(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def request(report):
    """What the VMM sends for a report."""
    size = 24 + len(report)
    return struct.pack(">I", size) + struct.pack("<HHIIIII", 1, 1, 0, size, 0, len(report),
                                                 0) + report


def ask(address, message, timeout=30):
    """The service's answer without its length, to a framed message; b"" if it closes without
    any."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(timeout)
        s.connect(address)
        s.sendall(message)
        try:
            return receive(s, struct.unpack(">I", receive(s, 4))[0])
        except (EOFError, ConnectionResetError):
            return b""


class FakeQgs:
    """Listens on a unix socket; reports that came are in .reports. mode: "quote", "slow", "error",
    "close", "silent"."""

    def __init__(self, directory, mode="quote"):
        self.path = os.path.join(directory, "qgs.socket")
        self.mode, self.reports = mode, []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    @staticmethod
    def quote(report):
        """Longer than the report, as a quote is."""
        return b"QUOTE" + report * 4

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.answer(connection)
                except EOFError:  # the VMM only tries whether somebody is there
                    pass

    def answer(self, connection):
        size = struct.unpack(">I", receive(connection, 4))[0]
        message = receive(connection, size)
        major, minor, kind, length, error, report_size, ids = \
            struct.unpack("<HHIIIII", message[:24])
        assert (major, minor, kind, length, error, ids) == (1, 1, 0, size, 0, 0), message[:24]
        report = message[24:]
        assert len(report) == report_size == REPORT_SIZE, report_size
        self.reports.append(report)
        quote = self.quote(report) if self.mode in ("quote", "slow") else b""
        if self.mode == "slow":
            time.sleep(0.2)
        if self.mode == "silent":
            connection.recv(1)  # until the VMM gives up
        elif self.mode != "close":
            code = 0x12001 if self.mode == "error" else 0
            reply = struct.pack("<HHIIIII", 1, 1, 1, 24 + len(quote), code, 0, len(quote)) + quote
            connection.sendall(struct.pack(">I", len(reply)) + reply)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
