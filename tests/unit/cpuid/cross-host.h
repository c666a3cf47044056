/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The software TDX host as plain values: its headers and the VMM's name some types alike, so no
 * file includes both.
 */
#ifndef CROSS_HOST_H
#define CROSS_HOST_H

#include <stdbool.h>
#include <stdint.h>

/* The layout of struct kvm_cpuid_entry2. */
typedef struct CrossEntry {
    uint32_t function, index, flags, regs[4], padding[3];
} CrossEntry;

#define CROSS_MAX_ENTRIES 256

/*
 * Hosts by number. The first differ in what KVM offers of XFAM or lack some configurable bits of
 * the processor; after them come swtdx's profiles: each by its name, and every processor with every
 * module and kernel, but for those that KVM_TDX_INIT_VM cannot tell from an earlier one.
 */
enum {
    CROSS_FULL,      /* the built-in profile */
    CROSS_CET,       /* KVM that has CET */
    CROSS_NO_AMX,
    CROSS_NO_AVX512,
    CROSS_NO_AVX,
    CROSS_SMALL,     /* a processor without BMI2, ADX, LA57, SERIALIZE */
    CROSS_OLD_KVM,   /* a KVM that does not know some features of the processor */
    CROSS_PROFILES   /* the first profile */
};
typedef unsigned CrossKind;

typedef struct CrossHost {
    uint64_t attributes, xfam;
    uint32_t tsc_khz, max_vcpus;
    unsigned num_configurable, num_supported;
    CrossEntry configurable[CROSS_MAX_ENTRIES]; /* KVM_TDX_CAPABILITIES */
    CrossEntry supported[CROSS_MAX_ENTRIES];    /* KVM_GET_SUPPORTED_CPUID */
} CrossHost;

typedef struct CrossInit {
    uint64_t attributes, xfam;
    unsigned gpaw;
    uint32_t tsc_khz;
    const CrossEntry *cpuid;
    unsigned num_cpuid;
} CrossInit;

/* Loads the profiles; the number of hosts. Ends the program when a profile cannot be read. */
unsigned cross_host_load(void);
void cross_host_unload(void);
const char *cross_host_name(CrossKind kind);
void cross_host_describe(CrossKind kind, CrossHost *host);
/*
 * INIT_VM and GET_CPUID: answers the status of TDH.MNG.INIT, or UINT64_MAX where KVM itself
 * refuses. answer and guest hold CROSS_MAX_ENTRIES: what KVM reads of each leaf, and what the
 * instruction gives a guest that has just started (0 for #VE).
 */
uint64_t cross_host_init(CrossKind kind, const CrossInit *init, uint64_t *detail,
                         CrossEntry *answer, CrossEntry *guest, unsigned *count);

#endif
