#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""swtdx qgs: what it answers to reports, good and bad, and whether openssl finds its signatures and
certificates good."""

import contextlib
import hashlib
import hmac
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import qgs
import vmm

KEY = b"swtdx: software TD, no security".ljust(32, b"\0")
UNEXPECTED = 0x12001


def report(reportdata=bytes(range(64)), valid=0x301ff, svn=b"\5\1", svn2=b"\5\1", version=0,
           edit=None):
    """A TDREPORT as swtdx makes it."""
    tcb = struct.pack("<Q", valid) + svn.ljust(16, b"\0") + b"M" * 48 + bytes(48 + 8) + svn2.ljust(16, b"\0") + bytes(95)
    td = struct.pack("<QQ", 0x10000000, 0x3) + b"".join(bytes([n]) * 48 for n in range(1, 9)) + bytes(48 + 64)
    assert len(tcb) == 239 and len(td) == 512
    head = bytes([0x81, 0, version, 0]) + bytes(12) + b"\1" + bytes(15) + hashlib.sha384(tcb).digest() + \
        hashlib.sha384(td).digest() + reportdata + bytes(32)
    assert len(head) == 224
    whole = bytearray(head + hmac.new(KEY, head, hashlib.sha256).digest() + tcb + bytes(17) + td)
    if edit is not None:
        whole[edit] ^= 1
    return bytes(whole)


@contextlib.contextmanager
def service():
    with tempfile.TemporaryDirectory() as directory:
        path, root = os.path.join(directory, "qgs"), os.path.join(directory, "root.pem")
        with subprocess.Popen([vmm.program("swtdx"), "qgs", "--socket", path, "--root", root],
                              stderr=subprocess.PIPE) as process:
            try:
                assert b"they prove nothing" in process.stderr.readline()
                yield path, root
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0, process.stderr.read()
                assert not os.path.exists(path)
            finally:
                process.kill()


def quote_of(answer):
    major, minor, kind, size, error, ids, quote_size = struct.unpack("<HHIIIII", answer[:24])
    assert (major, minor, kind, ids) == (1, 1, 1, 0) and size == len(answer) == 24 + quote_size, \
        answer[:24]
    return error, answer[24:]


def check_body(quote, given):
    version = struct.unpack("<H", quote[:2])[0]
    start = 48 if version == 4 else 54
    body = quote[start:start + 584]
    assert quote[2:12] == struct.pack("<HII", 2, 0x81, 0) and body[:16] == given[264:280]
    assert body[16:64] == given[280:328]
    assert body[64:120] == bytes(56) and body[120:520] == given[512:912]
    assert body[520:584] == given[128:192]
    return version, start + (584 if version == 4 else 648)


def test_quotes():
    with service() as (path, _):
        for label, given, version in (("v4", report(), 4), ("1.0 layout", report(valid=0x1ff), 4),
                                      ("updated module", report(svn2=b"\6\1"), 5),
                                      ("service TD", report(version=1), 5)):
            error, quote = quote_of(qgs.ask(path, qgs.request(given)))
            assert error == 0, label
            got, at = check_body(quote, given)
            assert got == version, (label, got)
            assert struct.unpack("<I", quote[at:at + 4])[0] == len(quote) - at - 4, label
        # The bare protocol of the first public VMMs
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(path)
            s.sendall(report())
            bare = b""
            while piece := s.recv(65536):
                bare += piece
            assert check_body(bare, report())[0] == 4


BAD = [
    ("MAC", report(edit=224)), ("report data", report(edit=128)), ("TDINFO", report(edit=600)),
    ("TCB info", report(edit=300)),
    ("type", report(edit=0)), ("subtype", report(edit=1)), ("version", report(version=2)),
    ("CPUSVN", report(edit=16)),
    ("valid mask", report(valid=0x3)), ("reserved end", report(edit=1023)),
    ("bound TD in version 0", report(edit=912)),
    ("short", report()[:1023]), ("long", report() + b"\0"),
]


def test_bad_reports():
    with service() as (path, _):
        for label, given in BAD:
            error, quote = quote_of(qgs.ask(path, qgs.request(given)))
            assert error == UNEXPECTED and quote == b"", label


def test_bad_messages():
    good = qgs.request(report())

    def patched(at, value):
        return good[:at] + value + good[at + len(value):]

    with service() as (path, _):
        for label, message in (("size field", patched(12, struct.pack("<I", 99))),
                               ("error field", patched(16, b"\1")),
                               ("report size", patched(20, struct.pack("<I", 1023))),
                               ("no report", patched(20, bytes(4))),
                               ("id list", patched(24, struct.pack("<I", 0xffffffff)))):
            answer = qgs.ask(path, message)
            assert struct.unpack("<I", answer[12:16])[0] == UNEXPECTED, label
        for kind in (2, 4):  # collateral, platform info
            answer = qgs.ask(path, patched(8, struct.pack("<I", kind)))
            assert struct.unpack("<II", answer[4:8] + answer[12:16]) == (kind + 1, UNEXPECTED)
        for label, message in (("major version", patched(4, b"\2")), ("a reply", patched(8, b"\1")),
                               ("length", b"\xff\xff\xff\xff" + good[4:]),
                               ("short length", struct.pack(">I", 15) + good[4:])):
            assert qgs.ask(path, message) == b"", label
        # in the middle of a message, when the service ends
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as idle:
            idle.connect(path)
            idle.sendall(good[:100])
            time.sleep(0.1)


def ecdsa_der(raw):
    def integer(n):
        body = n.lstrip(b"\0") or b"\0"
        body = b"\0" + body if body[0] & 0x80 else body
        return bytes([2, len(body)]) + body
    body = integer(raw[:32]) + integer(raw[32:])
    return bytes([0x30, len(body)]) + body


def openssl(directory, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True, check=False)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def test_signatures():
    if not shutil.which("openssl"):
        return "openssl is missing"
    with service() as (path, root), tempfile.TemporaryDirectory() as directory:
        def write(name, data):
            with open(os.path.join(directory, name), "wb") as f:
                f.write(data)

        _, quote = quote_of(qgs.ask(path, qgs.request(report())))
        signature = quote[636:]
        qe_report, qe_signature, auth = signature[134:518], signature[518:582], signature[584:616]
        assert struct.unpack("<HI", signature[128:134]) == (6, len(signature) - 134)
        kind, size = struct.unpack("<HI", signature[616:622])
        chain = signature[622:]
        assert kind == 5 and size == len(chain) and b"no security" not in chain  # base64
        assert qe_report[320:384] == hashlib.sha256(signature[64:128] + auth).digest() + bytes(32)
        # The key as SubjectPublicKeyInfo of a P-256 key
        write("attestation.der",
              bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + b"\4" +
              signature[64:128])
        openssl(directory, "pkey", "-pubin", "-inform", "DER", "-in", "attestation.der",
                "-out", "attestation.pem")
        write("body", quote[:632])
        write("body.sig", ecdsa_der(signature[:64]))
        assert b"Verified OK" in openssl(directory, "dgst", "-sha256", "-verify", "attestation.pem",
                                         "-signature", "body.sig", "body")
        leaf, ca, last = [b"-----BEGIN" + part for part in chain.split(b"-----BEGIN")[1:]]
        write("leaf.pem", leaf)
        write("ca.pem", ca)
        with open(root, "rb") as f:
            assert f.read() == last
        openssl(directory, "verify", "-CAfile", root, "-untrusted", "ca.pem", "leaf.pem")
        write("pck.pem", openssl(directory, "x509", "-in", "leaf.pem", "-pubkey", "-noout"))
        write("qe", qe_report)
        write("qe.sig", ecdsa_der(qe_signature))
        openssl(directory, "dgst", "-sha256", "-verify", "pck.pem", "-signature", "qe.sig", "qe")
        text = openssl(directory, "x509", "-in", "leaf.pem", "-noout", "-subject", "-issuer",
                       "-ext", "1.2.840.113741.1.13.1").decode()
        assert "Intel SGX PCK Certificate" in text and "Intel SGX PCK Platform CA" in text, text
        assert "no security" in text, text
    return None


def test_usage():
    swtdx = vmm.program("swtdx")
    assert vmm.run([swtdx, "qgs", "--help"])[0] == 0
    for arguments, message in (([], "no --socket given"), (["--socket"], "lacks its value"),
                               (["--port", "1"], "unknown argument '--port'")):
        status, _, err = vmm.run([swtdx, "qgs", *arguments])
        assert status == 2 and message in err, (arguments, status, err)
    for path, message in (("/etc/passwd", "exists and is no socket"),
                          ("/nonexistent/qgs", "No such file or directory")):
        status, _, err = vmm.run([swtdx, "qgs", "--socket", path])
        assert status == 1 and message in err, (path, status, err)


def built():
    status, _, err = vmm.run([vmm.program("swtdx"), "qgs", "--help"])
    return None if status == 0 else err.strip()


def only_if_built(function):
    return lambda: built() or function()


if __name__ == "__main__":
    vmm.tap([(name, only_if_built(function)) for name, function in (
        ("/qgs/quotes", test_quotes), ("/qgs/bad-reports", test_bad_reports),
        ("/qgs/bad-messages", test_bad_messages),
        ("/qgs/signatures", test_signatures), ("/qgs/usage", test_usage))])
