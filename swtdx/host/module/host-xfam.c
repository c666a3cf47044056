/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processor state and instructions of a profile this machine can execute. */
#include <cpuid.h>
#include <stdio.h>

#include "module.h"

/*
 * The core does x87 and SSE state on any host, PKRU, CET and AMX by itself; AVX and AVX-512
 * instructions need the host's. PT, UINTR and LBR are not executed at all.
 */
#define XFAM_SOFTWARE UINT64_C(0x61a03)
#define XFAM_AVX UINT64_C(0x4)
#define XFAM_AVX512 UINT64_C(0xe0)

enum { EAX, EBX, ECX, EDX };
enum { NEVER, ON_HOST };

/*
 * CPUID bits whose instructions the core does only as the host does them, or not at all (SDM vol.
 * 2, CPUID).
 */
typedef struct OptionalBit {
    uint32_t leaf, subleaf;
    uint8_t reg, bit, kind;
    const char *name;
} OptionalBit;

static const OptionalBit optional_bits[] = {
    {1, 0, ECX, 29, ON_HOST, "F16C"},
    {7, 0, EBX, 21, ON_HOST, "AVX512_IFMA"},
    {7, 0, EBX, 26, ON_HOST, "AVX512PF"},
    {7, 0, EBX, 27, ON_HOST, "AVX512ER"},
    {7, 0, ECX, 1, ON_HOST, "AVX512_VBMI"},
    {7, 0, ECX, 6, ON_HOST, "AVX512_VBMI2"},
    {7, 0, ECX, 8, ON_HOST, "GFNI"},
    {7, 0, ECX, 9, ON_HOST, "VAES"},
    {7, 0, ECX, 10, ON_HOST, "VPCLMULQDQ"},
    {7, 0, ECX, 11, ON_HOST, "AVX512_VNNI"},
    {7, 0, ECX, 12, ON_HOST, "AVX512_BITALG"},
    {7, 0, ECX, 14, ON_HOST, "AVX512_VPOPCNTDQ"},
    {7, 0, EDX, 2, ON_HOST, "AVX512_4VNNIW"},
    {7, 0, EDX, 3, ON_HOST, "AVX512_4FMAPS"},
    {7, 0, EDX, 8, ON_HOST, "AVX512_VP2INTERSECT"},
    {7, 0, EDX, 23, ON_HOST, "AVX512_FP16"},
    {7, 1, EAX, 0, NEVER, "SHA512"},
    {7, 1, EAX, 1, NEVER, "SM3"},
    {7, 1, EAX, 2, NEVER, "SM4"},
    {7, 1, EAX, 3, NEVER, "RAO_INT"},
    {7, 1, EAX, 4, ON_HOST, "AVX_VNNI"},
    {7, 1, EAX, 5, ON_HOST, "AVX512_BF16"},
    {7, 1, EAX, 6, NEVER, "LASS"},
    {7, 1, EAX, 7, NEVER, "CMPCCXADD"},
    {7, 1, EAX, 19, NEVER, "WRMSRNS"},
    {7, 1, EAX, 22, NEVER, "HRESET"},
    {7, 1, EAX, 23, NEVER, "AVX_IFMA"},
    {7, 1, EAX, 26, NEVER, "LAM"},
    {7, 1, EDX, 4, NEVER, "AVX_VNNI_INT8"},
    {7, 1, EDX, 5, NEVER, "AVX_NE_CONVERT"},
    {7, 1, EDX, 8, NEVER, "AMX_COMPLEX"},
    {7, 1, EDX, 10, NEVER, "AVX_VNNI_INT16"},
    {7, 1, EDX, 17, NEVER, "UIRET_UIF"},
};

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

static bool host_executes(const OptionalBit *o)
{
    uint32_t max = 0, regs[4] = {0};
    if (o->kind == NEVER) {
        return false;
    }
    if (o->subleaf && __get_cpuid_count(o->leaf, 0, &max, &regs[EBX], &regs[ECX], &regs[EDX]) &&
        max < o->subleaf) {
        return false;
    }
    return __get_cpuid_count(o->leaf, o->subleaf, &regs[EAX], &regs[EBX], &regs[ECX], &regs[EDX]) &&
           (regs[o->reg] >> o->bit & 1);
}

static uint64_t wanted_xfam(const Profile *profile)
{
    return module_xfam_fixed0(profile) & (profile->kvm_xcr0 | profile->kvm_xss);
}

uint64_t profile_executable_xfam(const Profile *profile)
{
    return wanted_xfam(profile) & host_xfam();
}

/* Appends a name to a list; returns the length that the whole needs. */
static size_t append(char *buf, size_t size, size_t n, const char *name)
{
    int k = snprintf(n < size ? buf + n : NULL, n < size ? size - n : 0, "%s%s", n ? ", " : "",
                     name);
    return n + (k < 0 ? 0 : (size_t)k);
}

static size_t missing_xfam(const Profile *profile, char *buf, size_t size)
{
    static const struct {
        uint64_t bits;
        const char *name;
    } states[] = {
        {XFAM_AVX, "AVX"}, {XFAM_AVX512, "AVX-512"}, {1u << 8, "PT"}, {1u << 14, "UINTR"},
        {1u << 15, "LBR"},
    };
    uint64_t missing = wanted_xfam(profile) & ~host_xfam();
    size_t n = 0;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (missing & states[i].bits) {
            n = append(buf, size, n, states[i].name);
        }
    }
    return n;
}

static bool clear_native(Profile *profile, const OptionalBit *o)
{
    for (uint32_t i = 0; i < profile->num_cpuid; i++) {
        ProfileCpuid *c = &profile->cpuid[i];
        if (c->leaf == o->leaf && (!c->has_subleaf || c->subleaf == o->subleaf) &&
            (c->regs[o->reg] >> o->bit & 1)) {
            c->regs[o->reg] &= ~(UINT32_C(1) << o->bit);
            return true;
        }
    }
    return false;
}

size_t profile_narrow(Profile *profile, char *buf, size_t size)
{
    size_t n;
    if (size) {
        buf[0] = 0;
    }
    n = missing_xfam(profile, buf, size);
    for (size_t i = 0; i < sizeof(optional_bits) / sizeof(optional_bits[0]); i++) {
        if (!host_executes(&optional_bits[i]) && clear_native(profile, &optional_bits[i])) {
            n = append(buf, size, n, optional_bits[i].name);
        }
    }
    return n;
}
