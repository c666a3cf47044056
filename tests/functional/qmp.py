# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of QMP on a unix socket."""

import json
import socket
import time


class Qmp:
    """Answers and events come in one stream: events wait in .events until somebody asks for
    them."""

    def __init__(self, path, timeout=30):
        end = time.monotonic() + timeout
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self.input = self.socket.makefile("rb")
        self.events = []
        self.greeting = self.receive()

    def receive(self):
        line = self.input.readline()
        if not line:
            raise EOFError("the monitor closed the connection")
        assert line.endswith(b"\r\n") and line.isascii(), line
        return json.loads(line)

    def send(self, text):
        self.socket.sendall(text.encode())

    def answer(self):
        """The next message that is no event."""
        while True:
            message = self.receive()
            if "event" not in message:
                return message
            self.events.append(message)

    def ask(self, text):
        self.send(text)
        return self.answer()

    def command(self, name, **arguments):
        request = {"execute": name, "id": name}
        if arguments:
            request["arguments"] = arguments
        answer = self.ask(json.dumps(request))
        assert answer.get("id") == name, answer
        assert "return" in answer, answer
        return answer["return"]

    def error(self, name, **arguments):
        """The error's class and text."""
        answer = self.ask(json.dumps({"execute": name, "arguments": arguments}))
        assert "error" in answer, answer
        return answer["error"]["class"], answer["error"]["desc"]

    def event(self, name):
        """Waits for an event; those before it are gone."""
        while True:
            message = self.events.pop(0) if self.events else self.receive()
            if message.get("event") == name:
                assert set(message["timestamp"]) == {"seconds", "microseconds"}, message
                return message.get("data")

    def close(self):
        self.input.close()
        self.socket.close()
