# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-tdx-plan on a TDX host: the settled plan, as text and as JSON, and what it says of CPU models."""

import json

import vmm

TD = ["-m", "512M", "-object", "tdx-guest,id=tdx0", "-machine", "q35,confidential-guest-support=tdx0", "-bios", vmm.OVMF]


def plan(*arguments, host=True):
    return vmm.run((vmm.tdx_host() if host else []) + [vmm.program("qemu-tdx-plan"), *arguments, *TD])


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
    assert len(value["warnings"]) == 1 and "Skylake-Server" in value["warnings"][0], value["warnings"]
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


def check_mrtd():
    """The MRTD needs no host."""
    status, out, err = plan("--json", host=False)
    assert status == 0, err
    assert json.loads(out)["mrtd"] == read_json()["mrtd"]


if __name__ == "__main__":
    vmm.tap([("/plan/host", check_host), ("/plan/model", check_model), ("/plan/text", check_text),
             ("/plan/enforce", check_enforce), ("/plan/mrtd", check_mrtd)])
