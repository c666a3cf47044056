# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-tdx-plan on a TDX host: the settled plan, as text and as JSON, and what it says of CPU
models."""

import json
import os
import shutil
import subprocess
import tempfile

import tiny
import tiny64
import vmm

TD = ["-m", "512M", "-object", "tdx-guest,id=tdx0",
      "-machine", "q35,confidential-guest-support=tdx0", "-bios", vmm.OVMF]


def plan(*arguments, host=True):
    return vmm.run((vmm.tdx_host() if host else []) + [vmm.program("qemu-tdx-plan"), *arguments,
                                                       *TD])


def read_json(*arguments):
    status, out, err = plan("--json", *arguments)
    assert status == 0, err
    assert out.endswith("}\n") and out.count("\n") == 1, out[-200:]
    return json.loads(out)


def verdicts(value, kind):
    return {v["name"] for v in value["cpuid"]["verdicts"] if v["verdict"] == kind and "name" in v}


def check_host():
    value = read_json("-cpu", "host")
    assert value["cpuid"]["settled"] is True
    assert value["warnings"] == [] and value["notes"] == []
    assert {"sse2", "aes", "x2apic"} <= verdicts(value, "granted")
    assert verdicts(value, "refused") == set()
    assert value["attributes"] == 0x10000000 and value["xfam"] & 3 == 3
    assert len(value["mrtd"]) == 96 and value["vcpus"]["x2apic-ids"] == [0]


def check_model():
    value = read_json("-cpu", "Skylake-Server,-hle", "-smp", "4")
    assert {"pse36", "rtm"} <= verdicts(value, "refused"), verdicts(value, "refused")
    assert len(value["warnings"]) == 1, value["warnings"]
    assert "Skylake-Server" in value["warnings"][0], value["warnings"]
    assert len(value["vcpus"]["x2apic-ids"]) == 4


def check_text():
    status, out, err = plan("-cpu", "host,+hle")
    assert status == 0, err
    assert "CPUID of -cpu host (as the TDX module has it)" in out, out
    assert out.count("warning: host doesn't support requested feature: CPUID.07H:EBX.hle [bit 4]") == 1
    assert "hle" not in err, err


def check_enforce():
    status, out, err = plan("-cpu", "host,+hle,enforce")
    assert status == 1
    assert "Host doesn't support requested features\nhost doesn't support requested feature: CPUID.07H:EBX.hle" in err, err
    assert "\nMRTD  " in out, out


CONTRADICTIONS = [
    ("attributes=0x50000000", "host,-pks",
     "attributes=0x50000000 (bit 30, PKS, set) contradicts -cpu ...,-pks"),
    ("attributes=0x50000000", "host,+pks",
     "PKS is not supported (KVM supported: 0x10000000, SEPT_VE_DISABLE)"),
    ("attributes=0x8000000010000000", "host,pmu=off",
     "attributes=0x8000000010000000 (bit 63, PERFMON, set) contradicts -cpu ...,pmu=off"),
    ("attributes=0x8000000010000000", "host,pmu=on",
     "PERFMON is not supported (KVM supported: 0x10000000, SEPT_VE_DISABLE)"),
    ("sept-ve-disable=on", "host,pmu=off,-pks", None),
]


def check_contradictions():
    for attributes, cpu, message in CONTRADICTIONS:
        status, _, err = vmm.run([*vmm.tdx_host(), vmm.program("qemu-tdx-plan"), "-cpu", cpu,
                                  *TD[:3], "tdx-guest,id=tdx0," + attributes, *TD[4:]])
        assert status == (1 if message else 0), (attributes, cpu, err)
        assert not message or message in err, (attributes, cpu, err)


def check_mrtd():
    """The MRTD needs no host."""
    status, out, err = plan("--json", host=False)
    assert status == 0, err
    assert json.loads(out)["mrtd"] == read_json()["mrtd"]


def check_boot_files():
    """What a launch would refuse is not planned, in the same words."""
    for arguments, message in ((["-kernel", "/nonexistent/k"],
                                "could not open kernel file '/nonexistent/k': No such file"),
                               (["-kernel", vmm.OVMF],
                                f"could not load kernel '{vmm.OVMF}': invalid kernel header"),
                               (["-fw_cfg", "opt/a,file=/nonexistent/f"],
                                "'/nonexistent/f': No such file")):
        status, out, err = plan(*arguments, host=False)
        assert status == 1 and not out and message in err, (status, out, err)


EVENTS = [tiny64.event(0, 4, bytes(4)),
          tiny64.event(1, 0x80000007, b"Exit Boot Services Returned with Success")]
RUN = tiny64.extend(0, 0) + tiny64.extend(1, 1) + tiny64.SPIN


def run_plan(*options, path=None, code=RUN):
    with tiny64.Firmware(code, EVENTS) as firmware:
        argv = [path or vmm.program("qemu-tdx-plan"), *options, *tiny.td(firmware)[1:]]
        done = subprocess.run(vmm.tdx_host() + argv, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=300, check=False, text=True)
    return done.returncode, done.stdout, done.stderr


def check_run_json():
    status, out, err = run_plan("--json", "--run")
    assert status == 0 and out.count("\n") == 1, err
    value = json.loads(out)
    assert set(value) == {"plan", "run"} and value["plan"]["mrtd"] == value["run"]["mrtd"]
    assert value["plan"]["attributes"] == value["run"]["attributes"]
    assert value["plan"]["xfam"] == value["run"]["xfam"]
    assert value["run"]["reached"] and value["run"]["event-log"]["replays"] == [True] * 4
    assert len(value["run"]["extends"]) == 2


def check_run_text():
    status, out, err = run_plan("--run", "--until=launch")
    assert status == 0, err
    plan_mrtd, run_mrtd = [line.split()[1] for line in out.splitlines() if line.startswith("MRTD ")]
    assert plan_mrtd == run_mrtd and "\nExecuted by swtdx\n" in out, out


def check_run_not_reached():
    status, out, err = run_plan("--run", "--until=extend=3", code=tiny64.extend(0, 0) + tiny64.STOP)
    assert status == 1 and "--until extend=3: the guest did not get there" in err, err
    assert "1 extends, the log differs" not in out and "RTMR0  " in out, out


def check_run_refused():
    status, out, err = run_plan("--run", "--until=EV_NONE")
    assert status == 1 and "swtdx: --until 'EV_NONE'" in err, err
    assert "the TD could not be measured" in err, err
    assert "\nMRTD  " in out, out


def check_run_missing():
    """A copy that has no swtdx beside it, and none in PATH."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "qemu-tdx-plan")
        shutil.copy(vmm.program("qemu-tdx-plan"), path)
        status, out, err = run_plan("--run", path=path)
    assert status == 1, err
    assert "--run needs the program 'swtdx', which is neither in " + directory in err, err
    assert "Install it, or leave --run out" in err and "\nMRTD  " in out


if __name__ == "__main__":
    vmm.tap([("/plan/host", check_host), ("/plan/model", check_model), ("/plan/text", check_text),
             ("/plan/enforce", check_enforce), ("/plan/contradictions", check_contradictions),
             ("/plan/mrtd", check_mrtd), ("/plan/boot-files", check_boot_files),
             ("/plan/run/json", check_run_json),
             ("/plan/run/text", check_run_text), ("/plan/run/not-reached", check_run_not_reached),
             ("/plan/run/refused", check_run_refused), ("/plan/run/missing", check_run_missing)])
