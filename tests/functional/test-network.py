#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What scripts/run-td starts: a TD whose greeting is true, with a network both ways."""

import hashlib
import http.server
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
CONTENT = bytes(range(256)) * 500


class Files(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answer_of(port):
    """What the guest's server sends; until it listens, connections to it end with nothing."""
    end = time.monotonic() + 60 * SLOW
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60 * SLOW) as s:
                answer = s.recv(100)
        except ConnectionError:
            answer = b""
        if answer or time.monotonic() > end:
            return answer
        time.sleep(0.2)


def test_network():
    kernel = vmm.cached("path")
    if not kernel or not vmm.cached("modules-path"):
        return "no kernel with modules: run scripts/get-kernel --modules"
    if not os.path.exists(vmm.OVMF):
        return f"{vmm.OVMF} is missing: run scripts/install-deps"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    forwarded = free_port()
    with tempfile.TemporaryDirectory() as directory:
        initrd = os.path.join(directory, "initramfs")
        report = os.path.join(vmm.BUILD, "guest", "td-report")
        report = report if os.path.exists(report) else ""
        subprocess.run(["scripts/make-initramfs", "--greeting", report, initrd, "virtio_net",
                        "tdx-guest"], check=True)
        console = vmm.Console(vmm.tdx_host() + vmm.td_arguments(memory="1G", extra=[
            *([] if vmm.OTHER else ["-d", "tdx"]), "-kernel", kernel, "-initrd", initrd,
            "-append", "console=ttyS0 quiet",
            "-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{forwarded}-:7",
            "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:aa:bb:cc"]))
        try:
            mrtd = None if vmm.OTHER else console.expect(r"MRTD ([0-9a-f]{96})", 60 * SLOW).group(1)
            console.expect(r"TDX        detected: Memory Encryption Features active: Intel TDX",
                           300 * SLOW)
            if report:
                assert console.expect(r"MRTD +([0-9a-f]{96})", 10).group(1) == mrtd or vmm.OTHER
            console.expect(r"network    eth0 10\.0\.2\.15", 10)
            console.expect(r"[/~] # ", 60 * SLOW)
            console.send(f"wget -q -O - http://10.0.2.2:{server.server_port}/x | sha256sum\r")

            console.expect(hashlib.sha256(CONTENT).hexdigest(), 60 * SLOW)
            console.send("echo from the guest | nc -l -p 7 & echo started\r")
            console.expect(r"\nstarted", 60 * SLOW)
            assert answer_of(forwarded) == b"from the guest\n"
            console.send("cat /sys/class/dmi/id/product_version /sys/class/net/eth0/address; poweroff -f\r")
            console.expect(r"pc-q35-11\.1", 60 * SLOW)
            console.expect(r"52:54:00:aa:bb:cc", 60 * SLOW)
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
            server.shutdown()
    return None


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    vmm.tap([("/network/both-ways", test_network)])
