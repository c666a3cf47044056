/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of guests that a machine can be launched into (system/core/guest.h). Main loop thread.
 */
#ifndef SYSTEM_GUEST_H
#define SYSTEM_GUEST_H

#include "hw/i386/q35.h"
#include "system/core/guest.h"
#include "system/options.h"
#include "target/i386/kvm/tdx.h"

/* What a guest is made from; all borrowed for its life. */
typedef struct GuestEnv {
    const MachineConfig *config;
    Q35Machine *machine;
    Bytes firmware;            /* size 0 = none */
    const char *firmware_path;
    Kvm *kvm;                  /* NULL = none */
    const RunStatePort *runstate;
    void *runstate_opaque;
} GuestEnv;

/* A TD: the host is asked, and everything planned (target/i386/kvm/tdx-plan.h). */
Guest *guest_tdx_new(const GuestEnv *env, GError **errp);
const TdxPlan *guest_tdx_plan(const Guest *guest);
const TdxCapabilities *guest_tdx_capabilities(const Guest *guest);
TdxTd *guest_tdx_td(const Guest *guest); /* NULL while there is none */
/* What the user should know of the TD before it runs, on stderr. */
void guest_tdx_warn(const Guest *guest);

/* An ordinary VM under KVM. */
Guest *guest_kvm_new(const GuestEnv *env, GError **errp);

/* -accel qtest: vCPUs exist and never run. */
Guest *guest_qtest_new(const GuestEnv *env, GError **errp);

#endif
