/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a TDX module virtualizes CPUID: one table per module version, plain data. The meaning of the
 * masks is the formula in cpuid.h. Tables are made by scripts/swtdx-cpuid-table.py from
 * cpuid-virtualization.csv.
 */
#ifndef SWTDX_CPUID_TABLE_H
#define SWTDX_CPUID_TABLE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct CpuidRow {
    uint32_t leaf, subleaf;
    bool has_subleaf;
    int16_t config;      /* position in TD_PARAMS, or -1: not configurable */
    uint32_t native[4];  /* bits taken from the processor */
    uint32_t fixed1[4];  /* bits forced to 1 */
    uint32_t direct[4];  /* returned as configured */
    uint32_t allowed[4]; /* configured AND native */
    uint32_t one[4];     /* the processor must have these: TDH.SYS.INIT */
    uint32_t zero[4];    /* ... and must not have these */
} CpuidRow;

typedef enum CpuidGateKind {
    CPUID_GATE_XFAM,           /* every bit of `need` is in XFAM */
    CPUID_GATE_ATTRIBUTES,     /* every bit of `need` is in ATTRIBUTES */
    CPUID_GATE_NOT_ATTRIBUTES, /* no bit of `need` is in ATTRIBUTES */
    CPUID_GATE_PERFMON_EXT,    /* ATTRIBUTES has `need` and CPUID(7,1).EAX[8] is 1 */
    CPUID_GATE_MONITOR,        /* CPUID(1).ECX[3] is 1 */
} CpuidGateKind;

/* Bits that are 0 unless a condition holds. */
typedef struct CpuidGate {
    uint16_t row;
    uint8_t reg;
    CpuidGateKind kind;
    uint32_t mask;
    uint64_t need;
} CpuidGate;

typedef struct CpuidTable {
    const CpuidRow *rows;
    unsigned num_rows;
    const CpuidGate *gates;
    unsigned num_gates;
    unsigned num_config;
} CpuidTable;

extern const CpuidTable cpuid_table_1_5_05, cpuid_table_1_5_34, cpuid_table_2_0_08;

#endif
