/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TD whose guest does as the test says: it takes registers out of a shared page, executes TDCALL,
 * puts the registers back and rings; so a TDCALL is a function call of the test, which sees each
 * exit on the way.
 */
#ifndef TEST_SWTDX_KVM_GUEST_H
#define TEST_SWTDX_KVM_GUEST_H

#include "fixture.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

#define GUEST_SHARED UINT64_C(0x2000) /* the page that the registers are in */
#define GUEST_SHARED_BIT (UINT64_C(1) << 47)
/* What guest_go_on() answers when the call is over: no exit reason and no errno. */
#define GUEST_DONE 1000

typedef struct GuestPage {
    uint64_t in[16], out[16];
} GuestPage;

typedef struct Guest {
    Fixture *f;
    struct kvm_run *run;
    GuestPage *page;
    /* private RAM is the fixture's: [0, 64 KiB) without GUEST_SHARED */
} Guest;

Guest *guest_new(uint32_t major, uint32_t minor);
/* The same on a fixture that is at AT_CAPS, whose profile the caller may have changed. */
Guest *guest_from(Fixture *f);
void guest_free(Guest *g);
/* KVM_RUN until an exit: its reason, -errno, or GUEST_DONE. */
int guest_go_on(Guest *g);
/* Starts TDCALL with page->in; then as guest_go_on(). */
int guest_call(Guest *g);
/* TDVMCALL of GHCI's: R10 = 0, R11 = leaf, R12..R15; all registers selected that may be. */
int guest_vmcall(Guest *g, uint64_t leaf, uint64_t r12, uint64_t r13, uint64_t r14, uint64_t r15);

#endif
