/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An invented kernel behind accel/kvm/kvm-sys.h: answers as a TDX host's /dev/kvm does when all
 * goes well, fails where a test says so, notes every call, and knows which file descriptors and
 * mappings are still open.
 */
#ifndef TESTS_UNIT_KVM_FAKE_KVM_H
#define TESTS_UNIT_KVM_FAKE_KVM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "standard-headers/linux-kvm-tdx.h"

#define FAKE_RUN_SIZE 12288

void fake_reset(void);
/*
 * The nth (from 1) call of `op` and the `times` - 1 after it fail with the errno (and hw_error, for
 * TDX commands).
 */
void fake_fail(const char *op, unsigned nth, unsigned times, int error, uint64_t hw_error);
unsigned fake_open_fds(void);
unsigned fake_mappings(void);
unsigned fake_count(const char *op);
/* All calls so far, "op(detail) op …"; caller frees. */
char *fake_calls(void);
void fake_forget_calls(void);

/* Answers of the kernel. */
typedef struct FakeKvm {
    int api_version, run_size, vm_types, max_vcpus, tsc_khz;
    unsigned missing_cap;     /* KVM_CHECK_EXTENSION answers 0 for it */
    unsigned supported_cpuid, configurable, td_cpuid; /* numbers of entries */
    /* INIT_MEM_REGION adds so many, then fails with `region_error`; 0: all at once */
    unsigned pages_per_call;
    int region_error;
    uint64_t attributes, xfam;      /* as KVM_TDX_INIT_VM got them */
    uint64_t rcx;                   /* as KVM_TDX_INIT_VCPU got it */
    int (*run)(struct kvm_run *run); /* one KVM_RUN: what it returns; may set the exit */
} FakeKvm;
extern FakeKvm fake;

/*
 * For `run`: as KVM_RUN does without anything to do, waits for immediate_exit and returns -EINTR.
 */
int fake_run_idle(struct kvm_run *run);

#endif
