#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""stop, cont, system_reset, quit and signals end, or go on, at once: with a guest that never leaves
its vCPUs, with one that has not started, and while a launch is under way. A reset measures the
same."""

import os
import signal
import subprocess
import tempfile
import time

import tiny
import vmm
from qmp import Qmp

SECONDS = 20  # on a busy machine; what hangs, hangs for ever


class Td:
    """A TD whose vCPUs spin."""

    def __init__(self, *extra, fault=None, host_json=None):
        self.directory = tempfile.TemporaryDirectory()
        firmware = tiny.write(self.directory.name, tiny.SPIN)
        self.path = os.path.join(self.directory.name, "qmp")
        arguments = tiny.td(firmware, ["-qmp", f"unix:{self.path},server=on,wait=off", *extra])
        arguments.remove("-no-reboot")
        arguments[arguments.index("mon:stdio")] = "null"
        host = vmm.tdx_host() if not fault else [vmm.program("swtdx"), "run", "--fault", fault,
                                                 "--"]
        if host_json:
            profile = os.path.join(self.directory.name, "host.json")
            with open(profile, "w", encoding="utf-8") as f:
                f.write(host_json)
            host = [vmm.program("swtdx"), "run", "--host", profile, "--"]
        self.process = subprocess.Popen(host + arguments, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def connect(self):
        qmp = Qmp(self.path)
        qmp.command("qmp_capabilities")
        return qmp

    def wait(self, status):
        start = time.monotonic()
        try:
            _, err = self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f"still there after {time.monotonic() - start:.0f} s") from e
        assert self.process.returncode == status, (self.process.returncode, err)
        return err.decode("utf-8", "replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.directory.cleanup()


def terminate(number):
    return lambda td, qmp: td.process.send_signal(number)


def commands(*names):
    def act(td, qmp):
        for name in names:
            qmp.command(name)
    return act


ENDS = {
    "quit": commands("quit"),
    "stop-quit": commands("stop", "quit"),
    "stop-cont-quit": commands("stop", "cont", "quit"),
    "reset-quit": commands("system_reset", "quit"),
    "stop-reset-cont-quit": commands("stop", "system_reset", "cont", "quit"),
    "powerdown-quit": commands("system_powerdown", "quit"),
    "term": terminate(signal.SIGTERM),
    "int": terminate(signal.SIGINT),
    "hup": terminate(signal.SIGHUP),
    "stop-term": lambda td, qmp: (qmp.command("stop"), td.process.terminate()),
    "reset-term": lambda td, qmp: (qmp.command("system_reset"), td.process.terminate()),
}
MACHINES = {"spinning": [], "spinning-two": ["-smp", "2"], "not-started": ["-S"]}


def ends(extra, act):
    def check():
        with Td(*extra) as td:
            act(td, td.connect())
            td.wait(0)
    return check


def check_reset():
    with Td("-smp", "2") as td:
        qmp = td.connect()
        before = qmp.command("query-tdx")
        for _ in range(3):
            qmp.command("system_reset")
            assert qmp.event("RESET") == {"guest": False, "reason": "host-qmp-system-reset"}
        after = qmp.command("query-tdx")
        assert len(before["mrtd"]) == 96 and before["mrtd"] == after["mrtd"], (before, after)
        assert before["attributes"] == after["attributes"] and after["state"] == "runnable", after
        assert qmp.command("query-status") == {"running": True, "status": "running"}
        qmp.command("quit")
        td.wait(0)


def check_keyid():
    """A host with one private KeyID: each reset gives it back before it takes it again."""
    with Td("-smp", "2",
            host_json='{"name": "one-keyid", "description": "one KeyID", "base": "spr-1.5", '
                      '"keyids": 1}') as td:
        qmp = td.connect()
        for _ in range(5):
            qmp.command("system_reset")
            assert qmp.event("RESET") == {"guest": False, "reason": "host-qmp-system-reset"}
        assert qmp.command("query-status") == {"running": True, "status": "running"}
        qmp.command("quit")
        td.wait(0)


# A step that always asks for another try: what a signal meets is a launch.
SLOW = ["KVM_TDX_INIT_VM=EAGAIN", "KVM_TDX_INIT_VCPU=EBUSY", "TDH_MEM_PAGE_ADD=EAGAIN",
        "KVM_TDX_INIT_MEM_REGION=EINTR", "KVM_TDX_FINALIZE_VM=EBUSY"]


def mid_launch(fault):
    def check():
        with Td(fault=fault) as td:
            while not os.path.exists(td.path) and td.process.poll() is None:
                time.sleep(0.01)
            td.process.terminate()
            err = td.wait(1)
            assert "The launch of the TD stopped at the step: " in err, err
    return check


def never_entered(fault):
    def check():
        with Td(fault=fault) as td:
            qmp = td.connect()
            qmp.command("stop")
            qmp.command("cont")
            td.process.terminate()
            td.wait(0)
    return check


def debug_exit():
    """What the guest writes to isa-debug-exit becomes the status: twice that, and one."""
    for device, command, status in (
            ("isa-debug-exit", "outb 0x501 0x21", 0x43),
            ("isa-debug-exit,iobase=0xf4,iosize=4", "outl 0xf4 0x10", 0x21),
            ("isa-debug-exit", "outb 0x501 0x0", 1)):
        done = subprocess.run([vmm.program("qemu-system-x86_64"), "-accel", "qtest", "-display",
                               "none", "-nodefaults", "-qtest", "stdio", "-qtest-log", "none",
                               "-device", device],
                              input=f"{command}\n", capture_output=True, text=True,
                              timeout=SECONDS, check=False)
        assert done.returncode == status, (device, command, done)


if __name__ == "__main__":
    vmm.tap([(f"/ends/{machine}/{end}", ends(extra, act)) for machine, extra in MACHINES.items()
             for end, act in ENDS.items()] +
            [("/ends/debug-exit", debug_exit), ("/ends/reset", check_reset),
             ("/ends/reset/keyid", check_keyid)] +
            [("/ends/mid-launch/" + fault, mid_launch(fault)) for fault in SLOW] +
            [("/ends/never-entered/" + fault, never_entered(fault))
             for fault in ("KVM_RUN=EAGAIN", "KVM_RUN=EINTR")])
