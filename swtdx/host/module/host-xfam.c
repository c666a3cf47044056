/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processor state of a profile this machine can execute. */
#include <stdio.h>

#include "module.h"

/*
 * The core does x87 and SSE state on any host and PKRU by itself; AVX and AVX-512 instructions need the host's.
 * PT, CET, UINTR, LBR and AMX are not executed at all.
 */
#define XFAM_SOFTWARE UINT64_C(0x203)
#define XFAM_AVX UINT64_C(0x4)
#define XFAM_AVX512 UINT64_C(0xe0)

static uint64_t host_xfam(void)
{
    uint64_t xfam = XFAM_SOFTWARE;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        xfam |= XFAM_AVX;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512cd")) {
            xfam |= XFAM_AVX512;
        }
    }
    return xfam;
}

uint64_t profile_executable_xfam(const Profile *profile)
{
    return module_xfam_fixed0(profile) & (profile->kvm_xcr0 | profile->kvm_xss) & host_xfam();
}

size_t profile_missing_xfam(const Profile *profile, char *buf, size_t size)
{
    static const struct {
        uint64_t bits;
        const char *name;
    } states[] = {
        {XFAM_AVX, "AVX"}, {XFAM_AVX512, "AVX-512"}, {1u << 8, "PT"}, {0x1800, "CET"}, {1u << 14, "UINTR"},
        {1u << 15, "LBR"}, {0x60000, "AMX"},
    };
    uint64_t missing = module_xfam_fixed0(profile) & (profile->kvm_xcr0 | profile->kvm_xss) & ~host_xfam();
    size_t n = 0;
    if (size) {
        buf[0] = 0;
    }
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (missing & states[i].bits) {
            int k = snprintf(n < size ? buf + n : NULL, n < size ? size - n : 0, "%s%s", n ? ", " : "", states[i].name);
            n += k < 0 ? 0 : (size_t)k;
        }
    }
    return n;
}
