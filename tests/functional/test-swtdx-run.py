#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The launcher: the program is itself on another host; what cannot run is refused with the reason;
dumps, traces and counters."""

import copy
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import tiny
import tiny64
import vmm

SWTDX = os.path.abspath(vmm.program("swtdx"))
STATIC = vmm.program("tests/functional/static-program")
# Leaks of the shell are not ours to find.
ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", LC_ALL="C")
NOTICE = "swtdx: software TDX host {}; TDs run here without any confidentiality\n"
SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))


def swtdx(*argv, env=None):
    done = subprocess.run([SWTDX, *argv], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60 * SLOW, check=False, text=True,
                          env=dict(ENV, **(env or {})))
    return done.returncode, done.stdout, done.stderr


def run(*argv, host="spr-1.5", env=None):
    """Standard output of a program that must succeed and say nothing."""
    status, out, err = swtdx("run", "--host", host, "--", *argv, env=env)
    assert status == 0 and err == NOTICE.format(host), f"status {status}: {err!r}"
    return out


def check_status():
    for script, expected in (("exit 0", 0), ("exit 7", 7), ("exit 255", 255),
                             ("kill -KILL $$", -signal.SIGKILL),
                             ("kill -TERM $$", -signal.SIGTERM)):
        status, _, _ = swtdx("run", "--", "sh", "-c", script)
        assert status == expected, (script, status)


def check_pid():
    with subprocess.Popen([SWTDX, "run", "sh", "-c", "echo $$"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, env=ENV) as process:
        assert process.stdout.read() == f"{process.pid}\n"


def check_arguments():
    assert run("printf", "%s|", "--host", "a b", "", "--", "-x") == "--host|a b||--|-x|"


def check_files():
    assert run("cat", "/sys/module/kvm_intel/parameters/tdx") == "Y\n"
    assert run("cat", "/sys/module/kvm_intel/parameters/tdx", host="tdx-not-requested") == "N\n"
    assert run("cat", "/sys/fs/cgroup/misc.capacity") == "tdx 31\n"
    assert " tdx_host_platform\n" in run("cat", "/proc/cpuinfo")
    assert "kvm_intel.tdx=1" in run("cat", "/proc/cmdline")
    assert run("cat", "/sys/devices/faux/tdx_host/version", host="spr-1.5-linux-7.3") == "1.5.05\n"
    # Programs that a program starts are on the same host.
    assert run("sh", "-c", "cat /sys/module/kvm_intel/parameters/tdx | cat",
               host="hibernation") == "N\n"


def check_absent_files():
    for host, path in (("spr-1.5", "/sys/devices/faux/tdx_host/version"),
                       ("kernel-6.12", "/sys/module/kvm_intel/parameters/tdx"),
                       ("no-dev-kvm", "/dev/kvm")):
        status, _, err = swtdx("run", "--host", host, "cat", path)
        assert status == 1 and "No such file or directory" in err, (host, err)
    status, _, err = swtdx("run", "--host", "dev-kvm-denied", "cat", "/dev/kvm")
    assert status == 1 and "Permission denied" in err, err
    status, _, err = swtdx("run", "sh", "-c", ": > /sys/module/kvm_intel/parameters/tdx")
    assert status != 0, "a host's file was written"


def check_directories():
    assert run("sh", "-c", "test -d /sys/module/kvm_intel && echo yes") == "yes\n"
    assert run("sh", "-c", "test -e /sys/module/kvm_intel || echo no", host="not-intel") == "no\n"
    assert run("sh", "-c", "test -c /dev/kvm && echo yes") == "yes\n"


def check_uname():
    assert run("uname", "-r") == "6.16.0-swtdx\n"
    assert run("uname", "-r", host="kernel-6.12") == "6.12.48-swtdx\n"
    assert run("uname", "-r", host="spr-1.5-linux-7.1") == "7.1.0-swtdx\n"


def check_closed_descriptors():
    """Programs that close what they do not know, as Python does, start others on the same host."""
    code = "import subprocess; print(subprocess.run(['uname', '-r'], stdout=-1, text=True).stdout)"
    out = run(sys.executable, "-c", code, host="kernel-6.12", env=vmm.NO_LEAK_CHECK)
    assert out == "6.12.48-swtdx\n\n", out


def check_preload():
    """The user's libraries are loaded after ours."""
    # swtdx itself comes after libm
    env = {"LD_PRELOAD": "libm.so.6", "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}
    out = run("sh", "-c", "echo $LD_PRELOAD", env=env)
    assert re.search(r"/libswtdx\.so:libm\.so\.6$", out.strip()), out
    maps = run("cat", "/proc/self/maps", env=env)
    assert "libswtdx.so" in maps and "libm" in maps
    assert run("sh", "-c", "echo $LD_PRELOAD",
               env={"LD_PRELOAD": ""}).strip().endswith("/libswtdx.so")


def check_moved():
    """The programs run from wherever they lie, and say where they cannot."""
    with tempfile.TemporaryDirectory() as root:
        for name, moved in (("with blanks and ä", True), ("it's \"#%&\\", True), ("a:b", False),
                            ("a $HOME", False)):
            directory = os.path.join(root, name)
            os.mkdir(directory)
            for file in ("swtdx", "libswtdx.so"):
                shutil.copy(vmm.program(file), directory)
            argv = [os.path.join(directory, "swtdx"), "run", "--", "sh",
                    "-c", "test -c /dev/kvm && sh -c 'test -c /dev/kvm && echo yes'"]
            status, out, err = vmm.run(argv, env=vmm.NO_LEAK_CHECK)
            if moved:
                assert (status, out) == (0, "yes\n") and "cannot be preloaded" not in err, \
                    (name, status, out, err)
            else:
                assert status == 126 and f"lies in '{directory}': the loader takes no path with" in err, (name, status, out, err)


def check_static():
    if not os.path.exists(STATIC):
        return "there is no static libc"
    status, out, err = swtdx("run", STATIC)
    assert status == 126 and out == "", (status, out)
    assert err == f"swtdx: {STATIC}: is statically linked: swtdx reaches programs through the dynamic loader only\n", err
    return None


def check_loader():
    """A program that is given to its loader, as those of another system's tree are."""
    loader = "/lib64/ld-linux-x86-64.so.2"
    out = run(loader, vmm.program("tests/functional/cpuid-probe"))
    assert out.startswith("plain GenuineIntel "), out
    with tempfile.TemporaryDirectory() as directory:
        other = shutil.copy(loader, os.path.join(directory, "static"))
        status, out, err = swtdx("run", other, "/bin/true")
        assert (status, out) == (126, "") and "is statically linked" in err, err


def check_go():
    path = vmm.program("tests/functional/go-program")
    status, out, err = swtdx("run", path)
    assert (status, out) == (126, "") and err == (
        f"swtdx: {path}: is a Go program: it makes its system calls by itself, and swtdx reaches "
        f"programs through libc only\n"), err


def check_musl():
    """A program whose loader is that of another C library, where the preloaded library would not
    find its functions."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "program")
        with open(vmm.program("tests/functional/cpuid-probe"), "rb") as f:
            program = f.read()
        old = b"/lib64/ld-linux-x86-64.so.2\0"
        assert program.count(old) == 1
        with open(path, "wb") as f:
            f.write(program.replace(old, b"/lib/ld-musl-x86_64.so.1".ljust(len(old), b"\0")))
        os.chmod(path, 0o755)
        status, out, err = swtdx("run", path)
        assert (status, out) == (126, "") and err == (
            f"swtdx: {path}: is linked with the C library musl: swtdx is for programs of the GNU C "
            f"library\n"), err


def check_set_user():
    """Set-user-ID to whom it runs as anyway makes no difference; to another user it does, for root
    too."""
    with tempfile.TemporaryDirectory() as directory:
        path = shutil.copy(vmm.program("tests/functional/cpuid-probe"), directory)
        os.chmod(path, 0o4755)
        status, out, _ = swtdx("run", path)
        assert status == 0 and "GenuineIntel" in out, (status, out)
        if os.getuid() == 0:
            os.chown(path, 65534, 0)
            os.chmod(path, 0o4755)
            status, out, err = swtdx("run", path)
            assert (status, out) == (126, "") and "changes its user or group (setuid, setgid)" in err, err


REFUSED = [
    (["run"], 2, "no program given"),
    (["run", "--"], 2, "no program given"),
    (["run", "--nosuch", "true"], 2, "unknown option '--nosuch'"),
    (["run", "--host"], 2, "an option lacks its value"),
    (["run", "--trace"], 2, "an option lacks its value"),
    (["run", "--deterministic=yes", "true"], 2, "unknown option '--deterministic=yes'"),
    (["run", "--deterministic"], 2, "no program given"),
    (["run", "no-such-program-anywhere"], 127, "no-such-program-anywhere: no such program"),
    (["run", "/no/such/program"], 127, "/no/such/program: no such program"),
    (["run", "--host", "nosuch", "true"], 126,
     "no host profile 'nosuch'; 'swtdx profiles' lists them"),
    (["run", "--host", "/no/such.json", "true"], 126, "No such file"),
    (["profiles", "nosuch"], 1, "no host profile 'nosuch'"),
    (["profiles", "a", "b"], 2, "one name at most"),
    (["selftest", "x"], 2, "'selftest' takes no arguments"),
    (["nosuch"], 2, "unknown command 'nosuch'"),
    ([], 2, "usage: swtdx"),
]


def refused(arguments, expected, text):
    def check():
        status, out, err = swtdx(*arguments)
        assert status == expected and out == "" and text in err, f"status {status}: {out!r} {err!r}"
    return check


# ---- profiles ----

BASED = {"name": "mine", "description": "a test", "base": "spr-1.5"}


def full_profile():
    """spr-1.5 in whole, without a base."""
    with open(vmm.program("spr-1.5.json"), encoding="utf-8") as f:
        return dict(json.load(f), name="mine")


def without(member):
    profile = full_profile()
    del profile[member]
    return profile


def entry(member, **changes):
    """The whole profile with one element of an array changed; None takes a member of it away."""
    profile = full_profile()
    element = copy.deepcopy(profile[member][0])
    for name, value in changes.items():
        element[name] = value
        if value is None:
            del element[name]
    profile[member][0] = element
    return profile


def based(**members):
    return dict(BASED, **members)


FILE = {"path": "/sys/x", "text": "", "error": 0}
LEAF = {"leaf": 0, "subleaf": 0, "has_subleaf": False, "assumed": True, "regs": [0, 0, 0, 0]}

# label, profile (text: as it is), what the message says
BAD_PROFILES = [
    ("empty", "", "not JSON: unexpected end of data"),
    ("after-end", json.dumps(BASED) + "x", "not JSON: something stands after its end"),
    ("two", json.dumps(BASED) * 2, "not JSON: something stands after its end"),
    ("not-json", "{", "not JSON: unexpected end of data"),
    ("yaml", "name: x\n", "not JSON"),
    ("list", "[]", "not a JSON object"),
    ("number", "7", "not a JSON object"),
    ("null", "null", "not a JSON object"),
    ("empty-object", {}, "'name': missing"),
    ("no-description", {"name": "x"}, "'description': missing"),
    ("no-cpuid", lambda: without("cpuid"), "'cpuid': missing"),
    ("no-files", lambda: without("files"), "'files': missing"),
    ("no-keyids", lambda: without("keyids"), "'keyids': missing"),
    ("no-release", lambda: without("kernel_release"), "'kernel_release': missing"),
    ("misspelt", based(keyid=3), "'keyid': there is no such member"),
    ("name-number", based(name=7), "'name': not a string"),
    ("name-empty", based(name=""), "'name': is empty"),
    ("name-long", based(name="x" * 32), "'name': too long"),
    ("description-long", based(description="x" * 320), "'description': too long"),
    ("number-text", based(keyids="many"), "'keyids': not a number in range"),
    ("number-empty", based(keyids=""), "'keyids': not a number in range"),
    ("number-negative", based(keyids=-1), "'keyids': not a number in range"),
    ("number-negative-text", based(keyids="-1"), "'keyids': not a number in range"),
    ("number-large", based(keyids=1 << 32), "'keyids': not a number in range"),
    ("number-fraction", based(keyids=1.5), "'keyids': not a number in range"),
    ("number-null", based(keyids=None), "'keyids': not a number in range"),
    ("number-list", based(keyids=[1]), "'keyids': not a number in range"),
    ("large-text", based(xcr0="0x10000000000000000"), "'xcr0': not a number in range"),
    ("phys-bits-small", based(phys_bits=31), "'phys_bits': not between 32 and 52"),
    ("phys-bits-large", based(phys_bits=53), "'phys_bits': not between 32 and 52"),
    ("no-tsc", based(native_tsc_khz=0), "'native_tsc_khz': is 0"),
    ("no-cpus", based(logical_cpus=0), "'logical_cpus': is 0"),
    ("errno", based(dev_kvm_error=5000), "'dev_kvm_error': not an errno"),
    ("errno-sign", based(dev_kvm_error=0xfffffffe), "'dev_kvm_error': not an errno"),
    ("cpuid-object", based(cpuid={}), "'cpuid': not an array"),
    ("cpuid-element", based(cpuid=[1]), "'cpuid': an element is not an object"),
    ("cpuid-many", based(cpuid=[dict(LEAF, leaf=0x1000 + n) for n in range(128)]),
     "'cpuid': too many elements together"),
    ("cpuid-too-many", based(cpuid=[LEAF] * 129), "'cpuid': too many elements"),
    ("cpuid-no-leaf", lambda: entry("cpuid", leaf=None), "'leaf': missing"),
    ("cpuid-leaf", lambda: entry("cpuid", leaf=1 << 32), "'leaf': not a number in range"),
    ("cpuid-misspelt", lambda: entry("cpuid", sub_leaf=1), "'sub_leaf': there is no such member"),
    ("cpuid-has-subleaf",
     lambda: entry("cpuid", has_subleaf=2), "'has_subleaf': not a number in range"),
    ("cpuid-three-registers",
     lambda: entry("cpuid", regs=[1, 2, 3]), "'regs': four 32-bit numbers are needed"),
    ("cpuid-five-registers",
     lambda: entry("cpuid", regs=[1, 2, 3, 4, 5]), "'regs': too many elements"),
    ("cpuid-register",
     lambda: entry("cpuid", regs=[1, 2, 3, 1 << 32]), "'regs': four 32-bit numbers are needed"),
    ("files-text", based(files="x"), "'files': not an array"),
    ("files-element", based(files=["/x"]), "'files': an element is not an object"),
    ("files-no-path", based(files=[{"text": "", "error": 0}]), "'path': missing"),
    ("files-no-text", based(files=[{"path": "/sys/x", "error": 0}]), "'text': missing"),
    ("files-elsewhere", based(files=[dict(FILE, path="/etc/passwd")]),
     "'path': only files below /sys/ and /proc/"),
    ("files-long-path", based(files=[dict(FILE, path="/sys/" + "x" * 91)]), "'path': too long"),
    ("files-long-text", based(files=[dict(FILE, text="x" * 384)]), "'text': too long"),
    ("files-errno", based(files=[dict(FILE, error=4096)]), "'error': not a number in range"),
    ("files-many", based(files=[dict(FILE, path=f"/sys/{n}") for n in range(48)]),
     "'files': too many elements together"),
    ("files-misspelt", based(files=[dict(FILE, content="")]), "'content': there is no such member"),
    ("base-number", based(base=1), "'base': not a string"),
    ("base-unknown", based(base="nosuch"), "'base': no host profile 'nosuch'"),
    ("assumed-unknown", based(assumed=["keyids", "nosuch"]),
     "'assumed': names a member that there is not"),
    ("assumed-number", based(assumed=[1]), "'assumed': names a member that there is not"),
    ("assumed-text", based(assumed="keyids"), "'assumed': not an array"),
    ("base-no-file", based(base="nosuch.json"), "No such file"),
    ("base-itself", based(base="profile.json"), "'profile.json' is based on itself"),
    ("base-loop", based(base="loop.json"), "'profile.json' is based on itself"),
    ("base-broken", based(base="broken.json"),
     "broken.json: profile member 'keyids': not a number in range"),
]


def write_json(directory, name, profile):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(profile if isinstance(profile, str) else json.dumps(profile))
    return path


def bad_profile(profile, text):
    def check():
        with tempfile.TemporaryDirectory() as directory:
            write_json(directory, "loop.json", based(base="profile.json"))
            write_json(directory, "broken.json", based(keyids="x"))
            path = write_json(directory, "profile.json",
                              profile() if callable(profile) else profile)
            for command in (["run", "--host", path, "true"], ["profiles", path]):
                status, out, err = swtdx(*command)
                assert status == (126 if command[0] == "run" else 1), f"status {status}: {out!r}"
                assert out == "", f"status {status}: {out!r}"
                assert err.startswith(f"swtdx: {path}: ") and err.count("\n") == 1, err
                assert text in err, err
    return check


def check_base():
    """Values replace the base's, files by path, CPUID leaves by leaf and sub-leaf; and bases have
    bases."""
    with tempfile.TemporaryDirectory() as directory:
        os.mkdir(os.path.join(directory, "below"))
        write_json(directory, "first.json", based(kernel_release="1.2.3", keyids="0x7", files=[
            {"path": "/sys/fs/cgroup/misc.capacity", "text": "tdx 7\n", "error": 0},
            {"path": "/sys/new", "text": "new\n", "error": 0}]))
        path = write_json(directory, "below/second.json",
                          {"name": "second", "description": "on first", "base": "../first.json",
                           "logical_cpus": 3,
                                                           "cpuid": [dict(LEAF, leaf=22,
                                                                          regs=[1, 2, 3, 4])]})
        script = "uname -r; cat /sys/fs/cgroup/misc.capacity /sys/new /sys/fs/cgroup/misc.current"
        assert run("sh", "-c", script, host=path) == "1.2.3\ntdx 7\nnew\ntdx 0\n"
        status, out, err = swtdx("profiles", path)
        assert status == 0 and err == "", err
        assert out.startswith("second: on first\n") and "KeyIDs   7\n" in out, out
        assert "CPUs     3," in out, out
        assert out.count("cpuid    0x16:") == 1, out
        assert "cpuid    0x16: 00000001 00000002 00000003 00000004 (assumed)" in out, out
        assert "cpuid    0x7.0:" in out, out


def check_whole_profile():
    """A profile without a base, equal to the built-in one but for its name."""
    with tempfile.TemporaryDirectory() as directory:
        path = write_json(directory, "mine.json", full_profile())
        _, mine, _ = swtdx("profiles", path)
        _, builtin, _ = swtdx("profiles", "spr-1.5")
        assert mine.split("\n", 1)[1] == builtin.split("\n", 1)[1] and mine.startswith("mine: ")


# ---- dumps, trace, summary ----

def check_stop_dump():
    with tiny.Firmware() as firmware:
        status, _, err = swtdx("run", "--", *tiny.td(firmware))
    assert status == 0, err
    assert "swtdx: vCPU 0: triple fault\n" in err, err
    assert re.search(r"RIP 00000000fffffff0 .* protected 32-bit", err), err
    assert "RCX 0000000000809000" in err, err  # where the firmware's metadata has the TD HOB
    assert "page at RIP: GPA 0xfffff000 MAPPED" in err, err


def wait_for(path, text, process):
    end = time.monotonic() + 30 * SLOW
    while True:
        assert process.poll() is None, "the program ended"
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                if text in f.read():
                    return
        assert time.monotonic() < end, f"{text!r} did not come"
        time.sleep(0.02)


def check_quit_dump():
    """SIGQUIT shows what a silent guest does; the program then ends as from that signal, or goes on
    if it handles it."""
    with tiny.Firmware(tiny.SPIN) as firmware, tempfile.TemporaryDirectory() as directory:
        trace = os.path.join(directory, "trace")
        with subprocess.Popen([SWTDX, "run", "--trace", trace,
                               "--", *tiny.td(firmware, extra=["-monitor", "none"])],
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=ENV) as process:
            wait_for(trace, "KVM_TDX_FINALIZE_VM -> 0", process)
            time.sleep(0.3)
            process.send_signal(signal.SIGQUIT)
            try:
                _, err = process.communicate(timeout=30 * SLOW)
            finally:
                process.kill()
    assert process.returncode == -signal.SIGQUIT, f"status {process.returncode}: {err!r}"
    assert "vCPU 0: asked for by a signal\n" in err and "RIP 00000000fffffff0" in err, err


def check_quit_dump_all():
    """Every vCPU: in the guest, halted, and one whose thread is paused by the VMM."""
    # The vCPU with index 1 (R9 of TDG.VP.INFO) halts; the others spin.
    code = (tiny64.tdcall(tiny64.VP_INFO) + b"\x49\x83\xf9\x01\x74\x02" + tiny64.SPIN +
            tiny64.vmcall(tiny64.HLT, 1) + tiny64.STOP)
    with tiny64.Firmware(code) as firmware, tempfile.TemporaryDirectory() as directory:
        trace = os.path.join(directory, "trace")
        argv = [SWTDX, "run", "--trace", trace,
                "--", *tiny.td(firmware, extra=["-monitor", "none", "-smp", "4"])]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=ENV) as process:
            wait_for(trace, "tdvmcall vcpu=1 Instruction.HLT", process)
            time.sleep(0.3)
            process.send_signal(signal.SIGQUIT)
            try:
                _, err = process.communicate(timeout=30 * SLOW)
            finally:
                process.kill()
    assert process.returncode == -signal.SIGQUIT, f"status {process.returncode}: {err!r}"
    for number in range(4):
        assert err.count(f"swtdx: vCPU {number}: asked for by a signal\n") == 1, err
    assert err.count(" RIP ") == 4 and err.count("64-bit") == 4, err
    assert "TDG.VP.VMCALL 0xc" in err and "tdvmcall 0xc 0x1" in err, err


def check_stuck_dump():
    """No exit for ten seconds is told, once, and the guest goes on."""
    with tiny64.Firmware(tiny64.SPIN) as firmware:
        argv = [SWTDX, "run", "--", *tiny.td(firmware, extra=["-monitor", "none", "-smp", "2"])]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, env=ENV) as process:
            try:
                time.sleep(13)
                assert process.poll() is None
                process.terminate()
                _, err = process.communicate(timeout=30 * SLOW)
            finally:
                process.kill()
    for number in range(2):
        assert err.count(f"swtdx: vCPU {number}: no exit for 10 s\n") == 1, err


def check_trace():
    with tiny.Firmware() as firmware, tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "trace")
        status, _, err = swtdx("run", "--trace=" + path, "--fault", "TDH_MEM_PAGE_ADD:3=EINTR",
                               "--", *tiny.td(firmware))
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines()
    assert status == 0, err
    assert all(re.match(r"\d+\.\d{6} ", line) for line in lines), lines
    text = "\n".join(lines)
    wanted = ["open fd=", "KVM_CREATE_VM arg=0x5 -> ", "KVM_TDX_CAPABILITIES -> 0",
              "KVM_TDX_INIT_VM -> 0 hw_error=0x0", "KVM_CREATE_VCPU",
              "fault TDH_MEM_PAGE_ADD -> -4", "init-mem-region next=0xffff2000 left=14 -> -4",
              "KVM_TDX_FINALIZE_VM -> 0"]
    at = 0
    for word in wanted:
        found = text.find(word, at)
        assert found >= 0, f"{word!r} is not in the trace, or out of order:\n{text}"
        at = found


# What the guest of check_trace_events does, and the events that tell it, in order.
GUEST = (tiny64.tdcall(tiny64.VP_INFO) + tiny64.extend(1, 0) + tiny64.extend(7, 0) +
         tiny64.out(0x80, 0x55)
         + tiny64.vmcall(tiny64.MMIO, 4, 1, 1 << 51 | 0xfec00000, 7) + tiny64.vmcall(0x7777) +
         tiny64.tdcall(99) + tiny64.STOP)
DIGEST = tiny64.digest(b"x")
WANTED = [
    {"event": "ioctl", "name": "KVM_CREATE_VM", "arg": "0x5"},
    {"event": "page", "name": "added", "gpa": "0xffff0000", "size": "0x1000"},
    {"event": "extend", "name": "MRTD", "gpa": "0xffff0000", "size": "0x1000"},
    {"event": "tdx", "name": "KVM_TDX_FINALIZE_VM", "result": 0, "hw_error": "0x0"},
    {"event": "tdcall", "vcpu": 0, "name": "TDG.VP.INFO", "result": "0x0000000000000000 SUCCESS"},
    {"event": "extend", "name": "RTMR1", "vcpu": 0, "digest": DIGEST.hex(),
     "value": hashlib.sha384(bytes(48) + DIGEST).hexdigest()},
    {"event": "tdcall", "name": "TDG.MR.RTMR.EXTEND", "gpa": "0xffff9000", "rtmr": "0x1",
     "result": "0x0000000000000000 SUCCESS"},
    {"event": "tdcall", "name": "TDG.MR.RTMR.EXTEND", "rtmr": "0x7",
     "result": "0xc000010000000002 OPERAND_INVALID RDX"},
    {"event": "tdvmcall", "name": "Instruction.IO", "access": "write", "port": "0x80", "size": 1,
     "value": "0x55"},
    {"event": "run", "vcpu": 0, "exit": "KVM_EXIT_IO", "result": 0},
    {"event": "tdvmcall-return", "vcpu": 0, "result": "SUCCESS"},
    {"event": "tdvmcall", "name": "RequestMMIO", "access": "write", "gpa": "0x80000fec00000",
     "size": 4, "value": "0x7"},
    {"event": "tdvmcall", "name": "unknown", "r11": "0x7777"},
    {"event": "tdvmcall-return", "result": "SUBFUNC_UNSUPPORTED"},
    {"event": "tdcall", "name": "leaf-99", "rcx": "0x0",
     "result": "0xc000010000000000 OPERAND_INVALID RAX"},
    {"event": "run", "exit": "KVM_EXIT_SHUTDOWN", "result": 0},
]


def check_trace_events():
    with tiny64.Firmware(GUEST, [(b"", DIGEST)]) as firmware, tempfile.TemporaryDirectory() as directory:
        for option, name in (("--trace-json", "trace"), ("--trace", "trace.json")):
            path = os.path.join(directory, name)
            status, _, err = swtdx("run", option, path, "--", *tiny.td(firmware))
            assert status == 0, err
            with open(path, encoding="utf-8") as f:
                events = [json.loads(line) for line in f]
            assert all(isinstance(event["t"], float) and event["event"] for event in events)
            rest = iter(events)
            for wanted in WANTED:
                assert any(wanted.items() <= event.items() for event in rest), \
                    f"{wanted} is not there, or out of order:\n{events[-40:]}"


def check_trace_refused():
    with tiny.Firmware() as firmware:
        status, _, err = swtdx("run", "--trace", "/no/such/directory/trace",
                               "--", *tiny.td(firmware))
    assert status == 1, err
    assert "trace file '/no/such/directory/trace': No such file or directory" in err, err


def check_summary():
    with tiny.Firmware() as firmware:
        status, _, err = swtdx("run", "--summary", "--", *tiny.td(firmware))
        _, _, quiet = swtdx("run", "--", *tiny.td(firmware))
    assert status == 0, err
    assert re.search(rf"^swtdx: pages added: {tiny.PAGES}, attribute changes: \d+$", err, re.M), err
    assert "pages added" not in quiet


# ---- selftest ----

CHECKS = ["preload", "vm", "cpuid", "signals", "thunks", "memory", "descriptors"]


def check_selftest():
    status, out, err = swtdx("selftest")
    assert status == 0 and err == "", (status, out, err)
    assert [line.split()[:2] for line in out.splitlines()] == [["ok", name] for name in CHECKS], out


def check_selftest_limits():
    """What is missing is named, with the reason; the other checks go on."""
    if vmm.SANITIZED:
        return "sanitizers need more address space than the limit here"
    for limit, failed, reason in (("ulimit -n 300", "descriptors", "see ulimit -n"),
                                  ("ulimit -v 30000000", "memory", "see ulimit -v")):
        done = subprocess.run(["sh", "-c", limit + '; exec "$0" selftest', SWTDX],
                              capture_output=True, text=True, check=False, timeout=60)
        lines = {line.split()[1]: line for line in done.stdout.splitlines()}
        assert done.returncode == 1 and list(lines) == CHECKS, done.stdout
        assert lines[failed].startswith("FAILED") and reason in lines[failed], lines[failed]
        assert lines["signals"].startswith("ok"), done.stdout
    return None


def main():
    os.environ["LC_ALL"] = "C"
    vmm.tap([("/swtdx/status", check_status), ("/swtdx/pid", check_pid),
             ("/swtdx/arguments", check_arguments), ("/swtdx/files", check_files),
             ("/swtdx/absent-files", check_absent_files), ("/swtdx/directories", check_directories),
             ("/swtdx/uname", check_uname),
             ("/swtdx/closed-descriptors", check_closed_descriptors),
              ("/swtdx/preload", check_preload), ("/swtdx/moved", check_moved),
             ("/swtdx/static", check_static), ("/swtdx/loader", check_loader),
              ("/swtdx/go", check_go),
             ("/swtdx/musl", check_musl), ("/swtdx/set-user", check_set_user)] +
            [("/swtdx/refused/" + ("_".join(row[0]).replace("/", "|") or "nothing"),
              refused(*row)) for row in REFUSED] +
            [("/swtdx/profile/bad/" + label,
              bad_profile(profile, text)) for label, profile, text in BAD_PROFILES] +
            [("/swtdx/profile/base", check_base), ("/swtdx/profile/whole", check_whole_profile),
             ("/swtdx/stop-dump", check_stop_dump), ("/swtdx/quit-dump", check_quit_dump),
             ("/swtdx/quit-dump-all", check_quit_dump_all), ("/swtdx/stuck-dump", check_stuck_dump),
             ("/swtdx/trace", check_trace), ("/swtdx/trace-events", check_trace_events),
             ("/swtdx/trace-refused", check_trace_refused), ("/swtdx/summary", check_summary),
             ("/swtdx/selftest", check_selftest),
             ("/swtdx/selftest-limits", check_selftest_limits)])


main()
