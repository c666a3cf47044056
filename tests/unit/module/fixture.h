/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TD without a core. The functions that the module calls of cpu and lapic are played by
 * fixture.c: a raise or a leave jumps back into fixture_try(), which tells what happened.
 */
#ifndef MODULE_FIXTURE_H
#define MODULE_FIXTURE_H

#include <glib.h>

#include "../../../swtdx/host/module/module.h"

typedef enum Outcome { RETURNED, RAISED, LEFT, LEFT_RETIRED, UNSUPPORTED } Outcome;

typedef struct Fixture {
    Profile profile;
    TdParams params;
    Td *td;
    Lapic lapic;
    TdVcpu *vcpu;
    Cpu *cpu;
    uint64_t now_ns;
    uint8_t *shared;      /* one shared page at GPA 0x1000 */
    bool shared_writable;
} Fixture;

/*
 * Parameters that the module takes: every configurable bit that the processor has, AVX-512,
 * SEPT_VE_DISABLE.
 */
void fixture_params(const Profile *profile, TdParams *params);
/* A TD with one initialised vCPU in 64-bit mode; change f->profile and f->params before. */
void fixture_open(Fixture *f);
void fixture_prepare(Fixture *f); /* profile and parameters only */
/* After fixture_prepare(): another module, and parameters as it takes them. */
void fixture_module(Fixture *f, uint32_t major, uint32_t minor, uint32_t update);
/* TDG.VM.WR by the guest: TD_CTLS, FEATURE_PARAVIRT_CTLS. Answers RAX. */
#define FIELD_TD_CTLS UINT64_C(0x9110000300000017)
#define FIELD_PARAVIRT_CTLS UINT64_C(0x9110000300000022)
uint64_t fixture_vm_wr(Fixture *f, uint64_t field, uint64_t value, uint64_t mask);
void fixture_finalize(Fixture *f);
void fixture_close(Fixture *f);

/* Calls fn(cpu, arg) and says how it ended; vector of a raise in cpu->raise_vector. */
Outcome fixture_try(Cpu *cpu, void (*fn)(Cpu *cpu, void *arg), void *arg);
/* TDCALL with the registers as they are. */
Outcome fixture_tdcall(Fixture *f, uint64_t rax);
/* What cpu_run() of the fixture does. */
extern CpuExit (*fixture_run)(Cpu *cpu);
unsigned fixture_flushes(void);

#endif
