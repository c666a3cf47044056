/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -smp: sockets, dies, modules, cores, threads; APIC ids from positions (Intel SDM vol. 2A, CPUID
 * 0x1F). Pure.
 */
#ifndef TARGET_I386_TOPOLOGY_H
#define TARGET_I386_TOPOLOGY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct CpuTopology {
    unsigned cpus, max_cpus, sockets, dies, modules, cores, threads;
} CpuTopology;

/* Fills what is 0 as QEMU does since 6.2 (cores before sockets), and checks the product. */
bool cpu_topology_complete(CpuTopology *topology, GError **errp);
/* x2APIC id of CPU i: each level takes the bits that its count needs. */
uint32_t cpu_topology_apic_id(const CpuTopology *topology, unsigned i);
/*
 * Bits to shift an x2APIC id right to get the id of the next level: SMT, core, module, die (CPUID
 * 0x1F EAX).
 */
unsigned cpu_topology_shift_smt(const CpuTopology *topology);
unsigned cpu_topology_shift_core(const CpuTopology *topology);
unsigned cpu_topology_shift_module(const CpuTopology *topology);
unsigned cpu_topology_shift_die(const CpuTopology *topology);

#endif
