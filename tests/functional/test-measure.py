#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""swtdx measure: registers, extends and event log of small firmware, and of OVMF and other VMMs
where they are there.

SWTDX_QEMU names QEMU 10.1 or newer, as scripts/get-qemu prints it; scripts/get-firmware fetches
firmware with an event log. """

import hashlib
import json
import os
import subprocess
import time

import tiny
import tiny64
import vmm

QEMU = os.environ.get("SWTDX_QEMU")
SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", ".cache"), "qemu-tdx", "firmware")
MEASURED_OVMF = os.path.join(CACHE, "forky/usr/share/ovmf/OVMF.inteltdx.ms.fd")
EBS = b"Exit Boot Services Returned with Success"
ACTION, SEPARATOR, TAG = 0x80000007, 4, 6

EVENTS = [
    tiny64.event(0, SEPARATOR, bytes(4)),
    tiny64.event(1, ACTION, b"Calling EFI Application from Boot Option"),
    tiny64.event(2, TAG, struct_data := b"\x01\0\0\0\x04\0\0\0abcd", b"abcd"),
    tiny64.event(1, ACTION, EBS),
    tiny64.event(2, SEPARATOR, b"late"),
]
REGISTERS = [0, 1, 2, 1, 2]
ALL = b"".join(tiny64.extend(register, number) for number, register in enumerate(REGISTERS))


def replayed(count):
    values = [bytes(48)] * 4
    for (_, digest), register in list(zip(EVENTS, REGISTERS))[:count]:
        values[register] = hashlib.sha384(values[register] + digest).digest()
    return [value.hex() for value in values]


def measure(*arguments, firmware, timeout=60):
    return vmm.run([vmm.program("swtdx"), "measure", *arguments, "--", *tiny.td(firmware)],
                   timeout * SLOW)


def measure_json(*arguments, code=ALL + tiny64.SPIN, events=tuple(EVENTS), expected=0, **kind):
    with tiny64.Firmware(code, events, **kind) as firmware:
        status, out, err = measure("--json", *arguments, firmware=firmware)
    assert status == expected, (status, out, err)
    assert out.count("\n") == 1, out
    return json.loads(out)


# label, options, extends that are to be seen, reached
UNTIL = [
    ("EBS", ["--until", "EBS"], 4, True),
    ("default", [], 4, True),
    ("first", ["--until", "extend=1"], 1, True),
    ("third", ["--until=extend=3"], 3, True),
    ("type", ["--until", "EV_EFI_ACTION"], 2, True),
    ("text", ["--until", "Calling EFI"], 2, True),
    ("tag", ["--until", "abcd"], 3, True),
    ("launch", ["--until", "launch"], 0, True),
    ("never", ["--until", "no such event", "--timeout", "1"], 5, False),
    ("too many", ["--until", "extend=6", "--timeout", "1"], 5, False),
    ("no such type", ["--until", "EV_IPL", "--timeout", "1"], 5, False),
]


def until(options, count, reached):
    def check():
        # The log of this firmware is whole from the start: by its text alone, an event is there
        # when the first extend is.
        value = measure_json(*options, expected=0 if reached else 3)
        assert value["reached"] is reached, value
        by_text = options and not options[-1].startswith(("EBS", "extend", "launch")) and reached
        if not by_text:
            assert len(value["extends"]) == count, value["extends"]
            assert value["rtmr"] == replayed(count), value["rtmr"]
        assert len(value["mrtd"]) == 96 and value["mrtd"] != "0" * 96
    return check


def check_log():
    value = measure_json("--until", "end", "--timeout", "60", code=ALL + tiny64.STOP)
    log = value["event-log"]
    assert value["reached"] and value["notes"] == [], value["notes"]
    assert value["rtmr"] == replayed(5) and log["replays"] == [True] * 4, log
    assert log["found-by"] == "CCEL" and log["address"] == tiny64.address(tiny64.LOG)
    assert log["size"] == 0x1000
    assert log["ccel"] == tiny64.address(tiny64.CCEL + 0x10)
    assert [event["type"] for event in log["events"]] == ["EV_NO_ACTION", "EV_SEPARATOR",
                                                          "EV_EFI_ACTION", "EV_EVENT_TAG",
                                                          "EV_EFI_ACTION",
                                                          "EV_SEPARATOR"]
    assert [event.get("rtmr") for event in log["events"]] == [None, *REGISTERS]
    assert log["events"][3]["description"] == "abcd"
    assert log["events"][3]["data"] == struct_data.hex()
    assert [e["digest"] for e in value["extends"]] == [digest.hex() for _, digest in EVENTS]
    assert value["memory"][0] == {"gpa": tiny.BASE, "pages": 16, "measured": True}, value["memory"]
    assert sum(part["pages"] for part in value["memory"]) == tiny.PAGES


def check_log_without_table():
    value = measure_json("--until", "EBS", table=False)
    assert value["event-log"]["found-by"] == "header" and "ccel" not in value["event-log"]
    assert any("no ACPI table CCEL" in note for note in value["notes"]), value["notes"]


def check_no_log():
    value = measure_json("--until", "EBS", has_log=False)
    assert value["event-log"] is None and value["rtmr"] == replayed(4)
    assert any("no event log was found" in note for note in value["notes"]), value["notes"]


def check_log_differs():
    """The log tells of an extend that was another one."""
    wrong = [EVENTS[0], tiny64.event(1, ACTION, b"x", b"y"), *EVENTS[2:]]
    firmware = bytearray(tiny64.image(ALL + tiny64.STOP, EVENTS))
    log = tiny64.log(wrong)
    firmware[tiny64.LOG:tiny64.LOG + 0x1000] = log + b"\xff" * (0x1000 - len(log))
    with tiny64.Firmware(b"") as path:
        with open(path, "wb") as f:
            f.write(firmware)
        status, out, err = measure("--until", "end", firmware=path)
    assert status == 0, err
    assert "RTMR1       " + replayed(5)[1] in out, out
    assert "2 extends, the log differs from number 1 on (it has 2)" in out, out
    assert "2 extends, as the log says" in out and "1 extends, as the log says" in out, out


def check_no_measurement():
    value = measure_json("--timeout", "1", code=tiny64.SPIN, events=(), expected=3)
    assert value["rtmr"] == ["0" * 96] * 4 and value["extends"] == []
    assert any("'EBS' did not come in time" in note for note in value["notes"]), value["notes"]
    assert any("the guest extended no RTMR" in note for note in value["notes"]), value["notes"]


def check_no_td():
    status, out, err = vmm.run([vmm.program("swtdx"), "measure", "--", "true"])
    assert status == 1 and out == "" and "launched no TD" in err, (status, out, err)
    status, out, err = vmm.run([vmm.program("swtdx"), "measure",
                                "--fault", "KVM_TDX_FINALIZE_VM=EIO", "--", *tiny.td(vmm.OVMF)])
    assert status == 1 and out == "", (status, out, err)
    assert "it stopped before KVM_TDX_FINALIZE_VM" in err, (status, out, err)


def check_ended():
    """The program is told to end, and its output stays out of the result."""
    with tiny64.Firmware(ALL + tiny64.SPIN, EVENTS) as firmware:
        script = "echo noise; exec \"$@\""
        start = time.monotonic()
        done = subprocess.run([vmm.program("swtdx"), "measure", "--", "sh", "-c", script, "sh",
                               *tiny.td(firmware)], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=60 * SLOW, check=False, text=True)
    assert done.returncode == 0 and done.stdout.startswith("host        spr-1.5"), done.stdout
    assert "noise" in done.stderr and "noise" not in done.stdout
    assert time.monotonic() - start < 8 * SLOW, "the VMM did not end by SIGTERM"


REFUSED = [
    ([], "no program given"),
    (["--until", "EV_NOSUCH", "true"], "--until 'EV_NOSUCH'"),
    (["--until", "extend=0", "true"], "--until 'extend=0'"),
    (["--until", "extend=x", "true"], "--until 'extend=x'"),
    (["--until", "", "true"], "--until ''"),
    (["--until", "x" * 128, "true"], "a text of up to 127 bytes"),
    (["--timeout", "0", "true"], "--timeout '0'"),
    (["--timeout", "1h", "true"], "--timeout '1h'"),
    (["--timeout"], "an option lacks its value"),
    (["--nosuch", "true"], "unknown option '--nosuch'"),
]


def refused(arguments, text):
    def check():
        status, out, err = vmm.run([vmm.program("swtdx"), "measure", *arguments])
        assert status == 2 and out == "" and text in err, (status, out, err)
    return check


def measured_ovmf(program):
    done = [vmm.program("swtdx"), "measure", "--json", "--until", "Calling EFI Application",
            "--", *program]
    status, out, err = vmm.run(done, 300 * SLOW)
    assert status == 0, err
    value = json.loads(out)
    assert value["event-log"]["replays"] == [True] * 4, value["notes"]
    assert value["event-log"]["found-by"] == "CCEL", value["notes"]
    kinds = {event["type"] for event in value["event-log"]["events"]}
    assert {"EV_EFI_HANDOFF_TABLES2", "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
            "EV_EFI_VARIABLE_DRIVER_CONFIG", "EV_SEPARATOR"} <= kinds, kinds
    assert value["rtmr"][0] != "0" * 96 and value["rtmr"][1] != "0" * 96
    return value


def check_ovmf():
    if not os.path.exists(MEASURED_OVMF):
        return f"{MEASURED_OVMF} is missing: run scripts/get-firmware forky"
    first = measured_ovmf(vmm.td_arguments(firmware=MEASURED_OVMF))
    assert first["rtmr"] == measured_ovmf(vmm.td_arguments(firmware=MEASURED_OVMF))["rtmr"], \
        "two launches measure differently"
    return None


def check_qemu():
    if not QEMU or not os.path.exists(MEASURED_OVMF):
        return "SWTDX_QEMU is not set (scripts/get-qemu), or scripts/get-firmware forky was not run"
    if vmm.SANITIZED:
        return "with sanitizers, QEMU's own leaks at its end would be reported"
    value = measured_ovmf([QEMU, *vmm.td_arguments(firmware=MEASURED_OVMF)[1:]])
    ours = measure("--json", "--until", "launch", firmware=MEASURED_OVMF)
    assert json.loads(ours[1])["mrtd"] == value["mrtd"], "MRTD depends on the VMM"
    return None


def check_deterministic():
    """What firmware measures of time, chance and reciprocals is the same twice."""
    slot = 7
    sample = (b"\x0f\x31\x89\x03"                  # rdtsc; mov [rbx], eax
              + b"\x66\x0f\x6e\xc8\x0f\x53\xc1"     # movd xmm1, eax; rcpps xmm0, xmm1
              + b"\x0f\x11\x43\x10"                # movups [rbx + 16], xmm0
              + b"\x48\x0f\xc7\xf0\x48\x89\x43\x08"  # rdrand rax; mov [rbx + 8], rax
              + tiny64.extend(2, slot))
    # mov rax, cr4; or eax, OSFXSR; mov cr4, rax
    code = (b"\x0f\x20\xe0\x0d\x00\x02\x00\x00\x0f\x22\xe0"
            + tiny64.load(tiny64.RBX,
                          tiny64.address(tiny64.DIGESTS + 64 * slot)) + 4 * sample + tiny64.SPIN)
    options = ["--until", "extend=4"]
    one, two = (measure_json("--deterministic", *options, code=code, events=()) for _ in range(2))
    assert one == two, (one, two)
    real = measure_json(*options, code=code, events=())
    assert real["rtmr"][2] != one["rtmr"][2], \
        "time and chance are virtual only with --deterministic"
    assert real["rtmr"][3] == one["rtmr"][3] == bytes(48).hex(), real


if __name__ == "__main__":
    vmm.tap([("/measure/until/" + row[0].replace(" ", "-"), until(*row[1:])) for row in UNTIL] +
            [("/measure/log", check_log), ("/measure/log-without-table", check_log_without_table),
             ("/measure/no-log", check_no_log),
             ("/measure/log-differs", check_log_differs),
             ("/measure/no-measurement", check_no_measurement), ("/measure/no-td", check_no_td),
             ("/measure/ended", check_ended), ("/measure/deterministic", check_deterministic)] +
            [("/measure/refused/" + ("_".join(row[0])[:20] or "nothing"),
              refused(*row)) for row in REFUSED] +
            [("/measure/ovmf", check_ovmf), ("/measure/qemu", check_qemu)])
