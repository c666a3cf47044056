#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns a profile (swtdx/profiles/*.json) into the C text of the built-in one.

usage: swtdx-profile-builtin.py JSON
"""
import json
import re
import sys

PLAIN = ['native_tsc_khz', 'phys_bits', 'ept5', 'logical_cpus', 'xcr0', 'xss', 'arch_capabilities',
         'module_major', 'module_minor', 'module_update', 'max_vcpus_per_td', 'vmcall_rbp_refused',
         'max_vcpus_told', 'accept_2m', 'kernel_major', 'kernel_minor', 'tdx_enabled', 'keyids',
         'cgroup_max', 'kvm_xcr0', 'kvm_xss', 'dev_kvm_error']


def number(v):
    return int(v, 0) if isinstance(v, str) else int(v)


def c_string(s, indent):
    """A C literal from column `indent` on: a piece for each line, and for each 70 bytes."""
    pieces = [piece for line in s.splitlines(keepends=True)
              for piece in re.findall(r'(?s).{1,70}(?:\s|$)|.{1,70}', line)] or ['']
    return ('\n' + ' ' * indent).join(json.dumps(piece, ensure_ascii=True) for piece in pieces)


def c_number(v):
    v = number(v)
    return f'UINT64_C(0x{v:x})' if v > 0xffffffff else (f'0x{v:x}' if v > 255 else str(v))


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith('-'):
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:] in (['-h'], ['--help']) else 2)
    with open(sys.argv[1], encoding='utf-8') as f:
        p = json.load(f)
    print('/* SPDX-License-Identifier: GPL-2.0-or-later */')
    print(f'/* The built-in profile, made by scripts/swtdx-profile-builtin.py of {p["name"]}.json. '
          f'*/')
    print('#include "profile.h"\n')
    print('static const Profile builtin = {')
    print('    .magic = PROFILE_MAGIC, .version = PROFILE_VERSION, .size = sizeof(Profile),')
    for key in ('name', 'description', 'kernel_release'):
        print(f'    .{key} = {c_string(p[key], 8 + len(key))},')
    for key in PLAIN:
        print(f'    .{key} = {c_number(p[key])},')
    assumed = ' |\n               '.join(f'PROFILE_ASSUMED({name})' for name in p['assumed'])
    print(f'    .assumed = {assumed or 0},')
    print(f'    .num_cpuid = {len(p["cpuid"])},')
    print('    .cpuid = {')
    for e in p['cpuid']:
        regs = ', '.join(f'0x{number(r):08x}' for r in e['regs'])
        print(f'        {{{c_number(e["leaf"])}, {number(e["subleaf"])}, {{{regs}}}, '
              f'{int(e["has_subleaf"])}, {int(e["assumed"])}}},')
    print('    },')
    print(f'    .num_files = {len(p["files"])},')
    print('    .files = {')
    for e in p['files']:
        print(f'        {{{c_string(e["path"], 9)},\n         {c_string(e["text"], 9)}, {e["error"]}}},')
    print('    },\n};\n')
    print('const Profile *profile_builtin(void)\n{\n    return &builtin;\n}')


main()
