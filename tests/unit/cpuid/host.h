/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host for tests: Sapphire Rapids with TDX module 1.5.05, as KVM describes it. Made by hand from
 * the module's tables.
 */
#ifndef TEST_HOST_H
#define TEST_HOST_H

#include "target/i386/kvm/tdx-plan.h"

/* cet: KVM knows CET, and XFAM with it. */
TdxCapabilities *test_host_new(bool cet);
/*
 * The module's answer for what INIT_VM was given: tdx-module's formula, written out for the test.
 */
CpuidTable *test_host_module(const TdxPlan *plan, const TdxCapabilities *host);
/*
 * A plan with the built firmware of layout 1; NULL with *errp. `file` is g_malloc'ed into *file and
 * must outlive it.
 */
TdxPlan *test_host_plan(const char *cpu, unsigned vcpus, const TdxCapabilities *host,
                        uint8_t **file, GError **errp);
/* The same with a firmware of the caller's. */
TdxPlan *test_host_plan_with(const char *cpu, unsigned vcpus, const TdxCapabilities *host,
                             Bytes firmware, GError **errp);

#endif
