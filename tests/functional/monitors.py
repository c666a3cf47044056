# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines without a guest, and those who talk to them: monitors of both kinds, and the qtest
protocol."""

import contextlib
import os
import socket
import subprocess
import tempfile
import time

import vmm
from qmp import Qmp

VMM = vmm.program("qemu-system-x86_64")


class Program:
    """The VMM with its standard error kept; ended with SIGKILL if a test leaves it behind."""

    def __init__(self, directory, *arguments, **options):
        # pylint: disable=consider-using-with
        self.stderr = open(os.path.join(directory, "stderr"), "w+b")
        self.process = subprocess.Popen([VMM, "-nodefaults", "-display", "none", *arguments],
                                        stderr=self.stderr,
                                        **{"stdin": subprocess.DEVNULL,
                                           "stdout": subprocess.DEVNULL, **options})

    def errors(self):
        self.stderr.seek(0)
        return self.stderr.read().decode()

    def wait(self, status=0):
        assert self.process.wait(30) == status, self.errors()

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.stderr.close()


@contextlib.contextmanager
def program(*arguments, **options):
    with tempfile.TemporaryDirectory() as directory:
        arguments = [a.replace("DIR", directory) for a in arguments]
        p = Program(directory, *arguments, **options)
        try:
            yield p, directory
        except Exception as e:
            raise AssertionError(f"{type(e).__name__}: {e}\nstandard error of the "
                                 f"VMM:\n{p.errors()}") from e
        finally:
            p.close()


def none(*arguments, **options):
    return program("-machine", "none", *arguments, **options)


def connect(path, timeout=30):
    end = time.monotonic() + timeout
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(timeout)
        try:
            client.connect(path)
            return client
        except OSError:
            client.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


class Lines:
    """A monitor for people on a socket: text in, text out up to the prompt."""

    def __init__(self, client):
        self.socket = client
        self.banner = self.until_prompt()

    def until(self, end):
        text = b""
        while not text.endswith(end):
            data = self.socket.recv(4096)
            if not data:
                raise EOFError(text)
            text += data
        return text.decode()

    def until_prompt(self):
        return self.until(b"(qemu) ")

    def ask(self, line):
        """The answer to a line, without its echo and the prompt."""
        self.socket.sendall(line.encode() + b"\n")
        return self.until_prompt()[:-len("(qemu) ")].split("\r\n", 1)[1].replace("\r\n", "\n")


QMP = ["-qmp", "unix:DIR/qmp,server=on,wait=off"]
HMP = ["-monitor", "unix:DIR/hmp,server=on,wait=off"]


def negotiated(path):
    qmp = Qmp(path)
    qmp.command("qmp_capabilities")
    return qmp


class Qtest:
    """The machine's ports, by the qtest protocol on a socket."""

    def __init__(self, path):
        self.stream = connect(path).makefile("rwb", buffering=0)

    def ask(self, *commands):
        self.stream.write("".join(c + "\n" for c in commands).encode())
        answers = [self.stream.readline().decode().rstrip("\n") for _ in commands]
        assert all(a.startswith("OK") for a in answers), answers
        return answers[-1]

    def line_status(self):
        return int(self.ask("inb 0x3fd").split()[1], 16)


QTEST = ["-machine", "q35", "-accel", "qtest", "-qtest", "unix:DIR/qtest,server=on,wait=off",
         "-qtest-log", "none"]
