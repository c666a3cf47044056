/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPUs as objects: types "MODEL-x86_64-cpu" for every model of -cpu, with one property for each
 * name of a CPU feature. They are how management software reads what a guest's processor has. They
 * run nothing.
 *
 * Main loop thread.
 */
#ifndef TARGET_I386_CPU_OBJECT_H
#define TARGET_I386_CPU_OBJECT_H

#include "hw/core/machine.h"
#include "target/i386/cpu-model.h"
#include "target/i386/cpuid.h"
#include "target/i386/topology.h"

/* What the guest's processors are: a port, for the guest comes and goes with each reset. */
typedef struct X86CpuPort {
    /*
     * CPUID of a vCPU as the guest has it, borrowed; NULL: it is not known (no guest, or nothing
     * runs)
     */
    const CpuidTable *(*cpuid)(void *opaque);
    /* The feature was asked for, and the guest does not have it. NULL = none was. */
    bool (*refused)(void *opaque, const CpuFeature *feature);
    void *opaque;
} X86CpuPort;

typedef struct X86Cpu {
    Device device;
    uint32_t apic_id;
    int32_t socket_id, die_id, module_id, core_id, thread_id; /* -1 = not placed */
    bool check, enforce, migratable, pmu;
    const X86CpuPort *port; /* NULL: features are what was set */
    uint8_t *given;         /* for each of cpu_features(): 0 = not set, else 1 + value */
} X86Cpu;

/* host, max, base and the named models, in the order of cpu_model_names(). */
#define X86_CPU_TYPES 47
extern const QomType cpu_type;     /* "cpu", abstract */
extern const QomType x86_cpu_type; /* "x86_64-cpu", abstract */
extern const QomType x86_cpu_types[X86_CPU_TYPES];

#define X86_CPU(object) QOM_CAST(X86Cpu, &x86_cpu_type, object)

/*
 * All of them, for the program's list: X86_CPU_TYPE_LIST stands for X86_CPU_TYPES addresses with
 * commas between.
 */
#define X86_CPU_TYPE(i) &x86_cpu_types[i]
#define X86_CPU_TYPE8(i)                                                                  \
    X86_CPU_TYPE(i), X86_CPU_TYPE((i) + 1), X86_CPU_TYPE((i) + 2), X86_CPU_TYPE((i) + 3), \
    X86_CPU_TYPE((i) + 4), X86_CPU_TYPE((i) + 5), X86_CPU_TYPE((i) + 6), X86_CPU_TYPE((i) + 7)
#define X86_CPU_TYPE_LIST                                                                        \
    X86_CPU_TYPE8(0), X86_CPU_TYPE8(8), X86_CPU_TYPE8(16), X86_CPU_TYPE8(24), X86_CPU_TYPE8(32), \
    X86_CPU_TYPE(40), X86_CPU_TYPE(41), X86_CPU_TYPE(42), X86_CPU_TYPE(43), X86_CPU_TYPE(44),    \
    X86_CPU_TYPE(45), X86_CPU_TYPE(46)

/*
 * The machine's vCPUs under /machine/unattached/device[0], [1] … in order: to be made before any
 * other device there. port: borrowed for the machine's life. False: *errp.
 */
bool x86_cpus_add(Machine *machine, const CpuModelRequest *model, const CpuTopology *topology,
                  const X86CpuPort *port, GError **errp);

#endif
