/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VecState: the host's abilities, and the code memory in which thunks stand. */
#include <cpuid.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vector.h"

#define CODE_SIZE ((size_t)VEC_SLOTS * VEC_SLOT_SIZE)

void vec_reset(Cpu *cpu)
{
    const uint16_t fcw = FCW_INIT;

    memset(cpu->xstate, 0, sizeof(cpu->xstate));
    memcpy(cpu->xstate + XSTATE_FCW, &fcw, sizeof(fcw));
    vec_set_mxcsr(cpu, MXCSR_INIT);
}

static uint64_t host_xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static void detect_host(VecState *vec)
{
    uint32_t *r = vec->host_leaf1;
    bool osxsave;
    uint64_t xcr0;

    __get_cpuid(1, &r[0], &r[1], &r[2], &r[3]);
    r = vec->host_leaf7;
    __get_cpuid_count(7, 0, &r[0], &r[1], &r[2], &r[3]);
    if (vec->host_leaf7[0] >= 1) {
        r = vec->host_leaf7_1;
        __get_cpuid_count(7, 1, &r[0], &r[1], &r[2], &r[3]);
    }
    r = vec->host_leaf81;
    __get_cpuid(0x80000001, &r[0], &r[1], &r[2], &r[3]);

    osxsave = vec->host_leaf1[2] & (1u << 27);
    xcr0 = osxsave ? host_xcr0() : 0;
    vec->host_avx = (vec->host_leaf1[2] & (1u << 28)) && (xcr0 & 6) == 6;
    /*
     * The run routine needs F; the rest is asked of every AVX-512 host so that one routine is
     * enough.
     */
    const uint32_t wanted = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F DQ BW VL */
    vec->host_avx512 = vec->host_avx && (vec->host_leaf7[1] & wanted) == wanted &&
                       (xcr0 & 0xe6) == 0xe6;
}

bool vec_host_has(const VecState *vec, unsigned feature)
{
    const uint32_t *leaf;

    if (feature == 0) {
        return true;
    }
    switch (FEATURE_LEAF(feature)) {
    case 1:
        leaf = vec->host_leaf1;
        break;
    case 7:
        leaf = FEATURE_SUBLEAF(feature) == 0 ? vec->host_leaf7 : vec->host_leaf7_1;
        if (FEATURE_SUBLEAF(feature) > 1) {
            return false;
        }
        break;
    case 0x80000001:
        leaf = vec->host_leaf81;
        break;
    default:
        return false;
    }
    return leaf[FEATURE_REG(feature)] >> FEATURE_BIT(feature) & 1;
}

/*
 * Two mappings of one memory, so that no page is writable and executable at once; where a memfd
 * cannot be had, one.
 */
static bool map_code(VecState *vec)
{
    int fd = memfd_create("swtdx-thunks", MFD_CLOEXEC);

    if (fd >= 0 && ftruncate(fd, (off_t)CODE_SIZE) == 0) {
        void *rw = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        void *rx = mmap(NULL, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
        close(fd);
        if (rw != MAP_FAILED && rx != MAP_FAILED) {
            vec->code_rw = rw;
            vec->code = rx;
            return true;
        }
        if (rw != MAP_FAILED) {
            munmap(rw, CODE_SIZE);
        }
        if (rx != MAP_FAILED) {
            munmap(rx, CODE_SIZE);
        }
    } else if (fd >= 0) {
        close(fd);
    }
    void *rwx = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (rwx == MAP_FAILED) {
        return false;
    }
    vec->code = vec->code_rw = rwx;
    return true;
}

bool vec_init(Cpu *cpu)
{
    VecState *vec = aligned_alloc(_Alignof(VecState), sizeof(VecState));

    if (!vec) {
        return false;
    }
    memset(vec, 0, sizeof(*vec));
    if (!map_code(vec)) {
        free(vec);
        return false;
    }
    detect_host(vec);
    vec->frame.xstate = cpu->xstate;
    vec->frame.scratch = vec->scratch;
    cpu->vec = vec;
    vec_reset(cpu);
    return true;
}

void vec_fini(Cpu *cpu)
{
    VecState *vec = cpu->vec;

    if (!vec) {
        return;
    }
    if (vec->code_rw != vec->code) {
        munmap(vec->code_rw, CODE_SIZE);
    }
    munmap(vec->code, CODE_SIZE);
    free(vec);
    cpu->vec = NULL;
}

void vec_set_portable(Cpu *cpu, bool portable)
{
    cpu->vec->portable = portable;
}
