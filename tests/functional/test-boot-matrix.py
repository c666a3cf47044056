#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux as a TD with several kernels, numbers of vCPUs and sizes of memory, under a small load;
then many boots in a row.

Of the suite "soak", for it takes minutes. Needs the kernels of scripts/get-kernel and
scripts/get-kernel forky: boots of a kernel that is not there are skipped."""

import functools
import os
import re
import signal
import subprocess
import tempfile
import time

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", ".cache"), "qemu-tdx")
KERNELS = {  # version: where scripts/get-kernel keeps the path, and the command that fetches it
    "6.12": ("kernel", "scripts/get-kernel"),
    "7.2": ("kernel-forky", "scripts/get-kernel forky"),
}
SHAPES = [(1, 1), (2, 1), (4, 1), (8, 1), (2, 4), (2, 8)]  # vCPUs, GiB
# Kernel and software host: other processors, TDX modules with which Linux 7.2 reduces #VE, 4-level
# EPT, pages of 2 MiB.
HOSTS = [("7.2", "2.0.08"), ("7.2", "gnr/1.5.34/7.3/ept4"), ("7.2", "srf/2.0.08/6.18/accept-2m"),
         ("6.12", "cwf/1.5.34/7.1/strict")]
# More vCPUs than there are processors to run them, on a host that has so many.
WIDE = ("6.12", 32, 2, "large")
BOOTS = 20
BOOT_SECONDS = 60

# What is typed, and what the answer must hold. The quotes in the words keep the terminal's echo
# from being taken for the answer.
LOAD = [
    ("processes",
     "sh -c 'for i in 1 2 3 4 5 6 7 8; do (sleep 0; exit $i) & p=\"$p $!\"; done; n=0; "
     "for q in $p; do wait $q; n=$((n+$?)); done; echo an\"\"swer $n.'", "36"),
    ("pipes",
     "echo an\"\"swer $(busybox seq 20000 | busybox sort -rn | busybox awk '{s += $1} END {print "
     "s}').", "200010000"),
    ("signals to itself",
     "sh -c 'n=0; trap \"n=\\$((n+1))\" USR1; for i in 1 2 3 4 5; do kill -USR1 $$; done; "
     "echo an\"\"swer $n.'", "5"),
    ("signal to a sleeper", "sh -c 'sleep 1000 & kill $!; wait $!; echo an\"\"swer $?.'", "143"),
    ("sha256sum", "echo an\"\"swer $(busybox head -c 67108864 /dev/zero | busybox sha256sum).",
     "3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351 -"),
]


def kernel(version):
    try:
        with open(os.path.join(CACHE, KERNELS[version][0], "path"), encoding="utf-8") as f:
            path = f.read().strip()
    except OSError:
        return None
    return path if os.path.exists(path) else None


def forky_firmware():
    """One that neither passes RBP nor takes MAX_VCPUS for the number of vCPUs."""
    path = os.path.join(CACHE, "firmware/forky/usr/share/ovmf/OVMF.fd")
    return path if os.path.exists(path) else None


def missing(version):
    for path in (vmm.OVMF, "/bin/busybox", "/usr/bin/cpio"):
        if not os.path.exists(path):
            return f"{path} is missing: run scripts/install-deps"
    return None if kernel(version) else f"no kernel {version}: run {KERNELS[version][1]}"


def stop_dump(console):
    """Where the vCPUs are, for what hangs: swtdx prints it on SIGQUIT."""
    start = len(console.text)
    if console.process.poll() is None:
        console.process.send_signal(signal.SIGQUIT)
        end = time.monotonic() + 5 * SLOW
        while time.monotonic() < end and console.read(0.2):
            pass
    return console.text[start:]


def ask(console, command, seconds):
    console.send(command + "\r")
    answer = console.expect(r"answer ([^\r\n]*)\.\r*\n", seconds * SLOW).group(1)
    console.expect(r"# ", 60 * SLOW)
    return answer


def work(console, vcpus, gib):
    """What userland must find, and the load."""
    found = ask(console, 'echo an""swer $(busybox nproc).', 60)
    assert found == str(vcpus), f"{found} CPUs instead of {vcpus}"
    found = ask(console, 'echo an""swer $(grep MemTotal /proc/meminfo).', 60)
    total = int(re.search(r"\d+", found).group())
    # The kernel's image, its page table of struct page, and the bounce buffers (6 %, at least 64
    # MiB) do not count as memory.
    assert 0.75 * gib <= total / 1048576 < gib, f"{found} of {gib} GiB"
    for what, command, expected in LOAD:
        found = ask(console, command, 120)
        assert found == expected, f"{what}: {found} instead of {expected}"


def boot(version, vcpus, gib, load, host=None):
    with tempfile.TemporaryDirectory() as directory:
        initrd = os.path.join(directory, "initrd")
        subprocess.run(["scripts/make-initramfs", initrd], check=True)
        start = time.monotonic()
        append = "console=ttyS0" if load else "console=ttyS0 td.poweroff"
        under = [vmm.program("swtdx"), "run", "--host", host, "--"] if host else vmm.tdx_host()
        # Debian 12's needs the leniencies
        firmware = forky_firmware() if host and "strict" in host else vmm.OVMF
        console = vmm.Console(under + vmm.td_arguments(
            firmware=firmware,
            memory=f"{gib}G",
            extra=["-smp", str(vcpus), "-no-reboot", "-kernel", kernel(version), "-initrd", initrd,
                                     "-append", append]))
        try:
            if host and version == "7.2":
                console.expect(r"tdx: TD_CTLS: .*REDUCE_VE", BOOT_SECONDS * SLOW)
            console.expect(r"initramfs: this is a TDX guest",
                           BOOT_SECONDS * max(1, vcpus // 8) * SLOW)
            reached = time.monotonic() - start
            if load:
                console.expect(r"# ", 60 * SLOW)
                work(console, vcpus, gib)
                console.send("poweroff -f\r")
            status = console.wait(60 * SLOW)
            assert status == 0, f"exit status {status} after poweroff -f"
        except AssertionError as e:
            raise AssertionError(f"{e}\nstop-dump:\n{stop_dump(console)}") from e
        finally:
            console.close()
    print(f"# {version}, {vcpus} vCPUs, {gib} GiB: userland after {reached:.1f} s, end after "
          f"{time.monotonic() - start:.1f} s", flush=True)


def test_shape(version, vcpus, gib):
    reason = missing(version)
    if not reason:
        boot(version, vcpus, gib, load=True)
    return reason


def test_wide():
    version, vcpus, gib, host = WIDE
    reason = missing(version)
    if not reason:
        boot(version, vcpus, gib, load=True, host=host)
    return reason


def test_host(version, host):
    reason = missing(version)
    if not reason and "strict" in host and not forky_firmware():
        reason = "no firmware: run scripts/get-firmware"
    if not reason:
        boot(version, 2, 1, load=True, host=host)
    return reason


def test_many():
    reason = missing("6.12")
    if reason:
        return reason
    failures = []
    for number in range(1, BOOTS + 1):
        try:
            boot("6.12", 2, 1, load=False)
        except AssertionError as e:
            failures.append(f"boot {number}: {e}")
    assert not failures, f"{len(failures)} of {BOOTS} boots failed:\n" + "\n".join(failures)
    return None


if __name__ == "__main__":
    # what a shell runs in the background inherits it ignored: no dump
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    vmm.tap([(f"/matrix/{version}/{vcpus}-vcpus/{gib}G",
              functools.partial(test_shape, version, vcpus, gib))
             for version in KERNELS for vcpus, gib in SHAPES] + [("/matrix/wide", test_wide)] +
            [(f"/matrix/{version}/host/{host}",
              functools.partial(test_host, version, host)) for version, host in HOSTS] +
            [(f"/matrix/6.12/{BOOTS}-boots", test_many)])
