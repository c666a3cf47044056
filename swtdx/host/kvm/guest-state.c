/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which state components the process's guests may have: components that make a task's XSAVE area
 * large, AMX's tiles, are a guest's only after arch_prctl(ARCH_REQ_XCOMP_GUEST_PERM), asked for
 * before the first vCPU (Linux, Documentation/arch/x86/xstate.rst; arch/x86/kernel/fpu/xstate.c).
 */
#include "host.h"

/* asm/prctl.h, Linux 5.17 on */
#define ARCH_GET_XCOMP_SUPP 0x1021
#define ARCH_GET_XCOMP_GUEST_PERM 0x1024
#define ARCH_REQ_XCOMP_GUEST_PERM 0x1025

#define XFEATURE_XTILE_DATA 18
#define XTILE_DATA (UINT64_C(1) << XFEATURE_XTILE_DATA)

/* What the kernel has enabled for programs: of the processor's, what can be executed here. */
static uint64_t supported(const KvmHost *host)
{
    return host->profile->xcr0 & profile_executable_xfam(host->profile);
}

static uint64_t permitted(const KvmHost *host)
{
    uint64_t all = supported(host);
    return atomic_load(&host->tiles_permitted) ? all : all & ~XTILE_DATA;
}

static int request(KvmHost *host, uintptr_t component)
{
    if (component > XFEATURE_XTILE_DATA) {
        return -EINVAL;
    }
    if (component != XFEATURE_XTILE_DATA || !(supported(host) & XTILE_DATA)) {
        return -EOPNOTSUPP;
    }
    if (atomic_load(&host->tiles_permitted)) {
        return 0;
    }
    if (atomic_load(&host->guest_state_locked)) {
        return -EBUSY;
    }
    atomic_store(&host->tiles_permitted, true);
    return 0;
}

bool kvm_host_answers_prctl(int option)
{
    return option == ARCH_GET_XCOMP_SUPP || option == ARCH_GET_XCOMP_GUEST_PERM ||
           option == ARCH_REQ_XCOMP_GUEST_PERM;
}

int kvm_host_prctl(KvmHost *host, int option, uintptr_t arg)
{
    uint64_t mask;
    switch (option) {
    case ARCH_REQ_XCOMP_GUEST_PERM:
        return request(host, arg);
    case ARCH_GET_XCOMP_SUPP:
        mask = supported(host);
        break;
    case ARCH_GET_XCOMP_GUEST_PERM:
        mask = permitted(host);
        break;
    default:
        return -EINVAL;
    }
    return user_write(arg, &mask, sizeof(mask));
}

void guest_state_lock(KvmHost *host)
{
    atomic_store(&host->guest_state_locked, true);
}

int guest_state_check(const KvmHost *host, const AbiCpuidEntry *entries, uint32_t n)
{
    const AbiCpuidEntry *e = cpuid_find(entries, n, 0xd, 0);
    return e && (e->eax & XTILE_DATA) && !atomic_load(&host->tiles_permitted) ? -EPERM : 0;
}
