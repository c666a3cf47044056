# SPDX-License-Identifier: GPL-2.0-or-later
"""Starting the programs as users do, and talking to a TD's console."""

import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("BUILD_ROOT", "build")
OVMF = "/usr/share/ovmf/OVMF.fd"
# Files of tests are named in socket addresses, of which unix(7) has 107 bytes, and in options,
# which separate by commas.
if len(tempfile.gettempdir()) > 60 or "," in tempfile.gettempdir():
    tempfile.tempdir = "/tmp"
# The programs were built with sanitizers: what these cannot do is skipped, with the reason.
SANITIZED = os.environ.get("SANITIZED") == "1"


# Another program in the VMM's place, for tests of swtdx that are also tests of the VMM.
OTHER = None


def program(name):
    return OTHER if OTHER and name == "qemu-system-x86_64" else os.path.join(BUILD, name)


def tdx_host():
    """Arguments that go before the VMM's: none on a TDX host, else the software one."""
    try:
        with open("/sys/module/kvm_intel/parameters/tdx", encoding="ascii") as f:
            if f.read(1) in "Y1" and os.access("/dev/kvm", os.W_OK):
                return []
    except OSError:
        pass
    return [program("swtdx"), "run", "--"]


def cached(name):
    """The kernel of scripts/get-kernel ("path"), its modules ("modules-path"); None: not
    fetched."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME", ".cache"), "qemu-tdx", "kernel")
    try:
        with open(os.path.join(cache, name), encoding="utf-8") as f:
            path = f.read().strip()
    except OSError:
        return None
    return path if os.path.exists(path) else None


def td_arguments(firmware=OVMF, memory="512M", guest="", extra=()):
    return [program("qemu-system-x86_64"), "-accel", "kvm", "-cpu", "host", "-m", memory,
            "-object", "tdx-guest,id=tdx0" + guest,
            "-machine", "q35,confidential-guest-support=tdx0", "-bios", firmware,
            "-nodefaults", "-nographic", "-serial", "mon:stdio", *extra]


class Console:
    """A program on a terminal of its own; what it prints is kept in .text, without terminal escape
    sequences."""

    def __init__(self, argv, stderr=None, env=None):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=stderr or slave,
                                        close_fds=True, env=env)
        os.close(slave)
        self.raw = ""   # not yet searched for escape sequences
        self.text = ""  # without them
        self.seen = 0

    def read(self, timeout):
        """Reads what is there within timeout seconds; False at the end of the program's output."""
        ready, _, _ = select.select([self.master], [], [], timeout)
        if not ready:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += data.decode("utf-8", "replace")
        # a control sequence of ECMA-48, section 5.4
        plain = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", self.raw)
        # the start of one whose end has not come yet
        partial = re.search(r"\x1b(\[[0-?]*[ -/]*)?\Z", plain)
        end = partial.start() if partial else len(plain)
        self.text += plain[:end]
        self.raw = plain[end:]
        return bool(data)

    def expect(self, pattern, timeout):
        """Waits until the pattern comes after what was expected before; the match, or an
        AssertionError with the last output."""
        end = time.monotonic() + timeout
        while True:
            match = re.compile(pattern).search(self.text, self.seen)
            if match:
                self.seen = match.end()
                return match
            alive = self.read(0.2)
            if not alive or time.monotonic() > end:
                why = "ended" if not alive else f"no answer in {timeout} s"
                raise AssertionError(f"waiting for {pattern!r}: {why}; last "
                                     f"output:\n{self.text[-3000:]}")

    def send(self, text):
        os.write(self.master, text.encode())

    def wait(self, timeout):
        end = time.monotonic() + timeout
        while self.process.poll() is None:
            self.read(0.1)
            if time.monotonic() > end:
                raise AssertionError(f"still running after {timeout} s; last "
                                     f"output:\n{self.text[-3000:]}")
        while self.read(0) and select.select([self.master], [], [], 0)[0]:
            pass
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


# For programs that are not this project's under swtdx, whose own leaks (an interpreter's, say) are
# not reported; and where LeakSanitizer cannot look, because there is no /proc.
NO_LEAK_CHECK = dict(os.environ,
                     ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")


def run(argv, timeout=60, env=None):
    """Runs to the end; (status, stdout, stderr)."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                          check=False, env=env)
    out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    return done.returncode, out, err


def tap(tests):
    """Runs (name, function) pairs as a TAP program. A function returns a string to skip with that
    reason."""
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, (name, function) in enumerate(tests, 1):
        try:
            skip = function()
            print(f"ok {number} {name}" + (f" # SKIP {skip}" if skip else ""), flush=True)
        except Exception as e:  # pylint: disable=broad-except
            failed += 1
            for line in f"{type(e).__name__}: {e}".splitlines():
                print(f"# {line}")
            print(f"not ok {number} {name}", flush=True)
    sys.exit(1 if failed else 0)
