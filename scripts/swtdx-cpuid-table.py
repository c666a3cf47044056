#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns cpuid-virtualization.csv into the C table of one TDX module version.

usage: swtdx-cpuid-table.py CSV VERSION [--check FILE]
Prints the C file, or with --check exits 1 when FILE differs from it.
"""
import csv
import io
import re
import sys

# Order of the module's list of configurable leaves; later versions append.
ORDER = [(1, None), (4, 0), (4, 1), (4, 2), (4, 3), (7, 0), (7, 1), (0xA, None), (0x1C, None),
         (0x80000008, None),
         (7, 2), (0x23, 0)]
ORDER_ADDED = {
    '1.5.01': [],
    '1.5.05': [(0x1F, n) for n in range(6)],
    '1.5.34': [(0x1F, n) for n in range(6)] + [(0x19, None)] + [(0x18, n) for n in range(9)],
    '2.0.08': [(0x1F, n) for n in range(6)] + [(0x19, None)] + [(0x18, n) for n in range(9)],
}
REGISTERS = ['eax', 'ebx', 'ecx', 'edx']
MASKS = ['native', 'fixed1', 'direct', 'allowed', 'one', 'zero']


def bits_of(text):
    """XFAM[7:5] -> 0xe0, ATTRIBUTES.PKS[30] -> 1 << 30"""
    m = re.search(r'\[(\d+)(?::(\d+))?\]', text)
    high = int(m.group(1))
    low = int(m.group(2) or m.group(1))
    return ((1 << (high - low + 1)) - 1) << low


def gate_of(condition):
    if condition.startswith('XFAM'):
        return 'CPUID_GATE_XFAM', bits_of(condition)
    if 'PERFMON' in condition and 'CPUID(7,1)' in condition:
        return 'CPUID_GATE_PERFMON_EXT', bits_of(condition)
    if condition.startswith('ATTRIBUTES.MIGRATABLE'):
        return 'CPUID_GATE_NOT_ATTRIBUTES', 1 << 29
    if condition.startswith('ATTRIBUTES'):
        return 'CPUID_GATE_ATTRIBUTES', bits_of(condition)
    if condition == 'CPUID(1).ECX[3]':
        return 'CPUID_GATE_MONITOR', 0
    return None


def read_rows(path, version):
    rows = {}
    with open(path, newline='', encoding='utf-8') as f:
        lines = [line for line in f if not line.startswith('#')]
    for r in csv.DictReader(io.StringIO(''.join(lines))):
        cls = r['v' + version]
        condition = r['condition']
        m = re.match(r'(\w+) \[(.*)\]$', cls)
        if m:
            cls, condition = m.groups()
        if cls in ('ve', 've_or_zero', 've_or_fixed', 'redirect') or r['register'] == 'all':
            continue
        leaf = int(r['leaf'], 16)
        sub = int(r['subleaf']) if r['subleaf'] else None
        row = rows.setdefault((leaf, sub), {'masks': {m: [0] * 4 for m in MASKS}, 'gates': {}})
        reg = REGISTERS.index(r['register'])
        low, high = int(r['low']), int(r['high'])
        mask = ((1 << (high - low + 1)) - 1) << low

        def add(name, value=mask):
            row['masks'][name][reg] |= value

        if cls == 'configurable':
            add('direct')
        elif cls in ('configurable_native', 'xfam_configurable', 'attribute_configurable'):
            add('allowed')
            add('native')
        elif cls in ('xfam', 'attribute', 'native', 'native_value'):
            add('native')
        elif cls == 'native_one':
            add('native')
            add('one')
        elif cls == 'native_zero':
            add('zero')
        elif cls == 'fixed1':
            add('fixed1')
        elif cls == 'fixed_value':
            add('fixed1', int(r['value'], 16) << low)
        elif cls not in ('fixed0', 'calculated', 'dynamic'):
            sys.exit(f'unknown class {cls}')
        gate = gate_of(condition) if cls in ('xfam', 'attribute', 'native', 'xfam_configurable',
                                             'attribute_configurable') and condition else None
        if gate:
            key = (reg,) + gate
            row['gates'][key] = row['gates'].get(key, 0) | mask
    return rows


def generate(path, version):
    rows = read_rows(path, version)
    order = ORDER + ORDER_ADDED[version]
    for key in order:
        if key not in rows:
            sys.exit(f'configurable leaf {key} is not in the table')
    name = version.replace('.', '_')
    out = [f'/* SPDX-License-Identifier: GPL-2.0-or-later */',
           f'/* CPUID table of module {version}: scripts/swtdx-cpuid-table.py of '
           'cpuid-virtualization.csv. */',
           '#include "cpuid-table.h"', '', 'static const CpuidRow rows[] = {']
    keys = sorted(rows, key=lambda k: (k[0], -1 if k[1] is None else k[1]))
    for key in keys:
        leaf, sub = key
        row = rows[key]
        config = order.index(key) if key in order else -1
        masks = [f'.{name} = {{' + ', '.join(f'0x{v:x}' for v in row['masks'][name]) + '}'
                 for name in MASKS if any(row['masks'][name])]
        has = 'true' if sub is not None else 'false'
        out.append(',\n     '.join([f'    {{0x{leaf:x}, {sub or 0}, {has}, {config}'] + masks) +
                   '},')
    out += ['};', '', 'static const CpuidGate gates[] = {']
    for i, key in enumerate(keys):
        for (reg, kind, need), mask in sorted(rows[key]['gates'].items()):
            out.append(f'    {{{i}, {reg}, {kind}, 0x{mask:x}, 0x{need:x}}},')
    out += ['};', '', f'const CpuidTable cpuid_table_{name} = {{',
            '    .rows = rows, .num_rows = sizeof(rows) / sizeof(rows[0]),',
            '    .gates = gates, .num_gates = sizeof(gates) / sizeof(gates[0]),',
            f'    .num_config = {len(order)},', '};', '']
    return '\n'.join(out)


def main():
    if sys.argv[1:] in (['-h'], ['--help']):
        print(__doc__.strip())
        return
    if len(sys.argv) not in (3, 5) or (len(sys.argv) == 5 and sys.argv[3] != '--check'):
        sys.exit(__doc__)
    text = generate(sys.argv[1], sys.argv[2])
    if len(sys.argv) == 5:
        with open(sys.argv[4], encoding='utf-8') as f:
            if f.read() != text:
                sys.exit(f'{sys.argv[4]} is not what {sys.argv[0]} makes')
        return
    sys.stdout.write(text)


main()
