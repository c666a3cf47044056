/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saving and restoring extended state: FXSAVE, XSAVE and their kin, MXCSR (SDM vol. 1, ch. 13; vol.
 * 2, FXSAVE).
 *
 * Cpu.xstate has Intel's standard layout, so a component is the same bytes there and in an area of
 * standard format. XINUSE is computed from content: a component that holds its initial values is
 * not in use. The "modified optimisation" of XSAVEOPT and XSAVES is not done (it is optional).
 */
#include "system-ops.h"
#include "vector.h"
#include "xsave-register.h"

typedef struct Component {
    uint16_t offset, size;         /* standard format, CPUID leaf Dh */
    /* what outside 64-bit mode is not accessed: from offset32, size32 bytes */
    uint16_t offset32, size32;
    bool aligned;                  /* to 64 bytes in compacted format: ECX bit 1 of its sub-leaf */
} Component;

#define LEGACY_SIZE 512u
#define HEADER_SIZE 64u
#define EXTENDED (LEGACY_SIZE + HEADER_SIZE)
#define XCOMP_COMPACTED (UINT64_C(1) << 63)
#define MXCSR_MASK_OFFSET 28
/* Components that Cpu holds. PKRU lives in Cpu.pkru. */
#define HELD \
    (XFEATURE_X87 | XFEATURE_SSE | XFEATURE_AVX | XFEATURE_AVX512 | XFEATURE_PKRU | XFEATURE_CET \
     | XFEATURE_AMX)
#define COMPONENT_TILECFG 17
#define COMPONENT_TILEDATA 18
#define COMPONENT_LAST 18
/* No area is larger in either format: leaf 0xD, sub-leaf 1, EBX with all components. */
#define AREA_MAX 12288u

static const Component components[COMPONENT_LAST + 1] = {
    [2] = {XSTATE_YMMH, 256, XSTATE_YMMH + 128, 128, false},
    [5] = {XSTATE_OPMASK, 64, 0, 0, false},
    [6] = {XSTATE_ZMMH, 512, XSTATE_ZMMH + 256, 256, false},
    [7] = {XSTATE_HI16_ZMM, 1024, XSTATE_HI16_ZMM, 1024, false},
    [COMPONENT_PKRU] = {XSTATE_PKRU, 8, 0, 0, false},
    [COMPONENT_CET_U] = {0, 16, 0, 0, false}, /* supervisor state: in compacted format only */
    [COMPONENT_CET_S] = {0, 24, 0, 0, false},
    [COMPONENT_TILECFG] = {XSTATE_TILECFG, 64, 0, 0, true},
    [COMPONENT_TILEDATA] = {XSTATE_TILEDATA, CPU_XSTATE_SIZE - XSTATE_TILEDATA, 0, 0, true},
};

/* Op.flags */
enum { XS_COMPACT = 1, XS_INIT_OPT = 2, XS_SUPERVISOR = 4, XS_REX_W = 8 };

/* All equal to the first, which is 0 */
static bool is_zero(const uint8_t *p, size_t n)
{
    return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

uint64_t xsave_in_use(const Cpu *cpu)
{
    const uint8_t *x = cpu->xstate;
    uint16_t fcw;
    uint64_t use = 0;

    memcpy(&fcw, x + XSTATE_FCW, 2);
    if (fcw != FCW_INIT || !is_zero(x + XSTATE_FSW, XSTATE_MXCSR - XSTATE_FSW) ||
        !is_zero(x + XSTATE_ST, 128)) {
        use |= XFEATURE_X87;
    }
    if (!is_zero(x + XSTATE_XMM, 256)) {
        use |= XFEATURE_SSE;
    }
    for (unsigned i = 2; i <= COMPONENT_LAST; i++) {
        if (i == COMPONENT_TILEDATA && !cpu->tiles_written) {
            continue;
        }
        const uint8_t *bytes = x + components[i].offset;
        uint64_t image[3];
        if (xsave_is_register(i)) {
            xsave_read_register(cpu, i, image);
            bytes = (const uint8_t *)image;
        }
        if (components[i].size && !is_zero(bytes, components[i].size)) {
            use |= UINT64_C(1) << i;
        }
    }
    return use;
}

static bool is_long(const Cpu *cpu)
{
    return cpu->mode & CPU_MODE_CS64;
}

/*
 * Part of a component that the present mode accesses: outside 64-bit mode registers 8 and up are
 * left alone (13.5).
 */
static unsigned accessed_size(const Cpu *cpu, unsigned i)
{
    return components[i].size - (is_long(cpu) ? 0 : components[i].size32);
}

static unsigned sse_size(const Cpu *cpu)
{
    return is_long(cpu) ? 256 : 128;
}

/*
 * Bytes 0..23 of the legacy area: without REX.W the pointers are 32 bits and FCS, FDS follow them,
 * here 0 (ZERO_FCS_FDS).
 */
static void build_x87_header(const Cpu *cpu, uint8_t buf[24], bool wide)
{
    memcpy(buf, cpu->xstate, 24);
    buf[5] = 0;
    if (!wide) {
        memset(buf + 12, 0, 4);
        memset(buf + 20, 0, 4);
    }
}

static void load_x87(Cpu *cpu, const uint8_t *area, bool wide)
{
    uint16_t fcw;

    memcpy(cpu->xstate, area, 24);
    cpu->xstate[5] = 0;
    cpu->xstate[XSTATE_FOP + 1] &= 7;
    if (!wide) {
        memset(cpu->xstate + 12, 0, 4);
        memset(cpu->xstate + 20, 0, 4);
    }
    for (unsigned i = 0; i < 8; i++) {
        memcpy(cpu->xstate + XSTATE_ST + 16 * i, area + XSTATE_ST + 16 * i, 10);
    }
    memcpy(&fcw, cpu->xstate + XSTATE_FCW, 2);
    fcw = (fcw & 0x1f3f) | 0x40;
    memcpy(cpu->xstate + XSTATE_FCW, &fcw, 2);
    x87_update_summary(cpu);
}

static void init_x87(Cpu *cpu)
{
    const uint16_t fcw = FCW_INIT;

    memset(cpu->xstate, 0, XSTATE_MXCSR);
    memcpy(cpu->xstate + XSTATE_FCW, &fcw, 2);
    memset(cpu->xstate + XSTATE_ST, 0, 128);
}

/* MXCSR */

static void check_ldmxcsr(Cpu *cpu, const Op *op)
{
    if (op->flags) {
        vec_check_avx(cpu, op);
    } else {
        vec_check_sse(cpu, op);
    }
}

static const Op *op_ldmxcsr(Cpu *cpu, const Op *op)
{
    check_ldmxcsr(cpu, op);
    uint32_t v = mmu_load32(cpu, op, op_linear(cpu, op, 4, false));
    if (v & ~MXCSR_VALID) {
        vec_raise(cpu, op, VEC_GP);
    }
    vec_set_mxcsr(cpu, v);
    NEXT(cpu, op);
}

static const Op *op_stmxcsr(Cpu *cpu, const Op *op)
{
    check_ldmxcsr(cpu, op);
    mmu_store32(cpu, op, op_linear(cpu, op, 4, true), vec_mxcsr(cpu));
    NEXT(cpu, op);
}

/* FXSAVE, FXRSTOR: bytes 416..511 are neither written nor read. */

static uint64_t fx_linear(Cpu *cpu, const Op *op, bool write)
{
    if (cpu->cr0 & (CR0_EM | CR0_TS)) {
        vec_raise(cpu, op, VEC_NM);
    }
    return vec_align(cpu, op, op_linear(cpu, op, LEGACY_SIZE, write), 16);
}

static __attribute__((noinline)) void do_fxsave(Cpu *cpu, const Op *op)
{
    uint64_t linear = fx_linear(cpu, op, true);
    unsigned size = XSTATE_XMM + sse_size(cpu);
    uint8_t buf[XSTATE_XMM + 256];
    const uint32_t mask = MXCSR_VALID;

    memcpy(buf, cpu->xstate, size);
    build_x87_header(cpu, buf, op->flags & XS_REX_W);
    memcpy(buf + MXCSR_MASK_OFFSET, &mask, 4);
    mmu_write(cpu, op, linear, buf, size);
}

static __attribute__((noinline)) void do_fxrstor(Cpu *cpu, const Op *op)
{
    uint64_t linear = fx_linear(cpu, op, false);
    uint8_t buf[LEGACY_SIZE];
    uint32_t mxcsr;

    mmu_read(cpu, op, linear, buf, sizeof(buf));
    memcpy(&mxcsr, buf + XSTATE_MXCSR, 4);
    if (mxcsr & ~MXCSR_VALID) {
        vec_raise(cpu, op, VEC_GP);
    }
    load_x87(cpu, buf, op->flags & XS_REX_W);
    vec_set_mxcsr(cpu, mxcsr);
    memcpy(cpu->xstate + XSTATE_XMM, buf + XSTATE_XMM, sse_size(cpu));
}

/* XSAVE family */

static uint64_t requested(const Cpu *cpu, const Op *op)
{
    uint64_t mask = cpu->regs[GPR_RDX] << 32 | (uint32_t)cpu->regs[GPR_RAX];
    return mask & (cpu->xcr0 | (op->flags & XS_SUPERVISOR ? cpu->xss : 0));
}

static void check_xsave(Cpu *cpu, const Op *op)
{
    if (!(cpu->cr4 & CR4_OSXSAVE)) {
        vec_raise(cpu, op, VEC_UD);
    }
    if (cpu->cr0 & CR0_TS) {
        vec_raise(cpu, op, VEC_NM);
    }
    if ((op->flags & XS_SUPERVISOR) && cpu->cpl != 0) {
        vec_raise(cpu, op, VEC_GP);
    }
}

static void check_held(Cpu *cpu, const Op *op, uint64_t features)
{
    if (features & ~(uint64_t)HELD) {
        cpu->op = op;
        cpu_unsupported(cpu, "XSAVE state component that the core does not keep");
    }
}

/*
 * Offset of component i >= 2; in compacted format they follow one another, some aligned (13.4.3).
 */
static unsigned component_offset(unsigned i, bool compact, uint64_t xcomp)
{
    unsigned offset = EXTENDED;

    if (!compact) {
        return components[i].offset;
    }
    for (unsigned j = 2; j <= i; j++) {
        if (!(xcomp >> j & 1)) {
            continue;
        }
        offset = components[j].aligned ? (offset + 63) & ~63u : offset;
        offset += j < i ? components[j].size : 0;
    }
    return offset;
}

/* To the end of the last of `features` in an area that holds `all`. */
static unsigned area_size(uint64_t features, uint64_t all, bool compact)
{
    unsigned size = EXTENDED;

    for (unsigned i = 2; i <= COMPONENT_LAST; i++) {
        if (features >> i & 1) {
            size = component_offset(i, compact, all) + components[i].size;
        }
    }
    return size;
}

static void save_legacy(Cpu *cpu, const Op *op, uint64_t linear, uint64_t save, bool mxcsr)
{
    const uint8_t *x = cpu->xstate;

    if (save & XFEATURE_X87) {
        uint8_t header[24];
        build_x87_header(cpu, header, op->flags & XS_REX_W);
        mmu_write(cpu, op, linear, header, sizeof(header));
        mmu_write(cpu, op, linear + XSTATE_ST, x + XSTATE_ST, 128);
    }
    if (mxcsr) {
        uint32_t pair[2] = {vec_mxcsr(cpu), MXCSR_VALID};
        mmu_write(cpu, op, linear + XSTATE_MXCSR, pair, sizeof(pair));
    }
    if (save & XFEATURE_SSE) {
        mmu_write(cpu, op, linear + XSTATE_XMM, x + XSTATE_XMM, sse_size(cpu));
    }
}

/* mmu_write() takes a page at most. */
static void write_area(Cpu *cpu, const Op *op, uint64_t linear, const uint8_t *from, unsigned size)
{
    for (unsigned at = 0; at < size; at += GUEST_PAGE_SIZE) {
        mmu_write(cpu, op, linear + at, from + at,
                  size - at < GUEST_PAGE_SIZE ? size - at : GUEST_PAGE_SIZE);
    }
}

static void save_component(Cpu *cpu, const Op *op, uint64_t linear, unsigned i)
{
    static const uint8_t initial[CPU_XSTATE_SIZE - XSTATE_TILEDATA];
    const uint8_t *from = cpu->xfd >> i & 1 ? initial : cpu->xstate + components[i].offset;
    uint64_t image[3];

    if (xsave_is_register(i)) {
        xsave_read_register(cpu, i, image);
        mmu_write(cpu, op, linear, image, components[i].size);
    } else if (accessed_size(cpu, i)) {
        write_area(cpu, op, linear, from, accessed_size(cpu, i));
    }
}

static __attribute__((noinline)) void do_xsave(Cpu *cpu, const Op *op)
{
    bool compact = op->flags & XS_COMPACT;
    uint64_t linear, rfbm, use, save, header[2];

    check_xsave(cpu, op);
    rfbm = requested(cpu, op);
    check_held(cpu, op, rfbm);
    /* 13.14: what IA32_XFD disables is saved as if it were initial */
    use = xsave_in_use(cpu) & ~cpu->xfd;
    save = op->flags & (XS_COMPACT | XS_INIT_OPT) ? rfbm & use : rfbm;
    linear = vec_align(cpu, op, op_linear(cpu, op, area_size(rfbm, rfbm, compact), true), 64);
    mmu_probe(cpu, op, linear, area_size(save, rfbm, compact), CPU_WRITE);
    mmu_read(cpu, op, linear + LEGACY_SIZE, header, sizeof(header));

    bool mxcsr = rfbm & (XFEATURE_SSE | XFEATURE_AVX);
    if (compact) {
        /* 13.10: with MXCSR not in its initial state, SSE counts as in use */
        use |= vec_mxcsr(cpu) != MXCSR_INIT ? XFEATURE_SSE : 0;
        save = rfbm & use;
        header[0] = rfbm & use;
        header[1] = rfbm | XCOMP_COMPACTED;
        mxcsr = header[0] & XFEATURE_SSE;
    } else {
        header[0] = (header[0] & ~rfbm) | (rfbm & use);
    }
    save_legacy(cpu, op, linear, save, mxcsr);
    for (unsigned i = 2; i <= COMPONENT_LAST; i++) {
        if (save >> i & 1) {
            save_component(cpu, op, linear + component_offset(i, compact, rfbm), i);
        }
    }
    mmu_write(cpu, op, linear + LEGACY_SIZE, header, compact ? 16 : 8);
}

/* The #GP conditions of 13.8 and 13.12 that concern the header */
static bool header_valid(const Cpu *cpu, const Op *op, const uint64_t header[8])
{
    bool supervisor = op->flags & XS_SUPERVISOR;
    uint64_t enabled = cpu->xcr0 | (supervisor ? cpu->xss : 0);
    uint64_t bv = header[0], xcomp = header[1];

    if (!(xcomp & XCOMP_COMPACTED)) {
        return !supervisor && !(bv & ~cpu->xcr0) && xcomp == 0 && header[2] == 0;
    }
    return !((xcomp & ~XCOMP_COMPACTED) & ~enabled) && !(bv & ~xcomp) && !(bv & XCOMP_COMPACTED) &&
           is_zero((const uint8_t *)&header[2], 48);
}

/* NULL: the initial value */
static void restore_register(Cpu *cpu, unsigned i, const uint8_t *from)
{
    uint64_t image[3] = {0};

    if (from) {
        memcpy(image, from, components[i].size);
    }
    xsave_write_register(cpu, i, image);
}

static void restore_extended(Cpu *cpu, const uint8_t *area, uint64_t rfbm, uint64_t load,
                             bool compact, uint64_t xcomp)
{
    for (unsigned i = 2; i <= COMPONENT_LAST; i++) {
        uint8_t *to = cpu->xstate + components[i].offset;
        const uint8_t *from = area + component_offset(i, compact, xcomp);
        unsigned size = accessed_size(cpu, i);

        if (!(rfbm >> i & 1)) {
            continue;
        }
        if (xsave_is_register(i)) {
            restore_register(cpu, i, load >> i & 1 ? from : NULL);
        } else if (load >> i & 1 && !(i == COMPONENT_TILECFG && !tile_config_valid(from))) {
            memcpy(to, from, size);
        } else {
            /* assumed of a TILECFG that LDTILECFG would refuse: XRSTOR has no #GP for it */
            memset(to, 0, size);
        }
    }
    if (rfbm & XFEATURE_TILEDATA) {
        cpu->tiles_written = load & XFEATURE_TILEDATA;
    }
}

static void read_area(Cpu *cpu, const Op *op, uint64_t linear, uint8_t *to, unsigned size)
{
    for (unsigned at = 0; at < size; at += GUEST_PAGE_SIZE) {
        mmu_read(cpu, op, linear + at, to + at,
                 size - at < GUEST_PAGE_SIZE ? size - at : GUEST_PAGE_SIZE);
    }
}

static void check_register(Cpu *cpu, const Op *op, unsigned i, const uint8_t *from)
{
    uint64_t image[3];
    if (xsave_is_register(i)) {
        memcpy(image, from, components[i].size);
        if (!xsave_register_valid(cpu, i, image)) {
            vec_raise(cpu, op, VEC_GP);
        }
    }
}

static __attribute__((noinline)) void do_xrstor(Cpu *cpu, const Op *op)
{
    uint8_t area[AREA_MAX];
    uint64_t linear, rfbm, load, header[8];
    uint32_t mxcsr = MXCSR_INIT;

    check_xsave(cpu, op);
    rfbm = requested(cpu, op);
    check_held(cpu, op, rfbm);
    linear = vec_align(cpu, op, op_linear(cpu, op, EXTENDED, false), 64);
    mmu_read(cpu, op, linear + LEGACY_SIZE, header, sizeof(header));
    if (!header_valid(cpu, op, header)) {
        vec_raise(cpu, op, VEC_GP);
    }
    bool compact = header[1] & XCOMP_COMPACTED;
    check_held(cpu, op, compact ? header[1] & ~XCOMP_COMPACTED : 0);
    load = rfbm & header[0];
    tile_require(cpu, op, load & XFEATURE_TILEDATA);
    /* Only what is loaded is read: memory of components that are initialised may be absent. */
    mmu_read(cpu, op, linear, area, LEGACY_SIZE);
    for (unsigned i = 2; i <= COMPONENT_LAST; i++) {
        unsigned offset = component_offset(i, compact, header[1]);
        if (load >> i & 1 && accessed_size(cpu, i)) {
            read_area(cpu, op, linear + offset, area + offset, accessed_size(cpu, i));
            check_register(cpu, op, i, area + offset);
        }
    }
    bool set_mxcsr = compact ? rfbm & XFEATURE_SSE : rfbm & (XFEATURE_SSE | XFEATURE_AVX);
    if (compact ? load & XFEATURE_SSE : set_mxcsr) {
        memcpy(&mxcsr, area + XSTATE_MXCSR, 4);
    }
    if (mxcsr & ~MXCSR_VALID) {
        vec_raise(cpu, op, VEC_GP);
    }

    if (load & XFEATURE_X87) {
        load_x87(cpu, area, op->flags & XS_REX_W);
    } else if (rfbm & XFEATURE_X87) {
        init_x87(cpu);
    }
    if (set_mxcsr) {
        vec_set_mxcsr(cpu, mxcsr);
    }
    if (load & XFEATURE_SSE) {
        memcpy(cpu->xstate + XSTATE_XMM, area + XSTATE_XMM, sse_size(cpu));
    } else if (rfbm & XFEATURE_SSE) {
        memset(cpu->xstate + XSTATE_XMM, 0, sse_size(cpu));
    }
    restore_extended(cpu, area, rfbm, load, compact, header[1]);
}

#define DEFINE_OP(name)                                \
    static const Op *op_##name(Cpu *cpu, const Op *op) \
    {                                                  \
        do_##name(cpu, op);                            \
        NEXT(cpu, op);                                 \
    }
DEFINE_OP(fxsave)
DEFINE_OP(fxrstor)
DEFINE_OP(xsave)
DEFINE_OP(xrstor)


typedef struct XsaveRow {
    ZydisMnemonic mnemonic;
    OpFn fn;
    uint8_t flags;
    unsigned feature;
} XsaveRow;

#define F_FXSR FEATURE(1u, 0, 3, 24)
#define F_SSE FEATURE(1u, 0, 3, 25)
#define F_AVX FEATURE(1u, 0, 2, 28)
#define F_XSAVE FEATURE(1u, 0, 2, 26)
#define F_XSAVEOPT FEATURE(0xdu, 1, 0, 0)
#define F_XSAVEC FEATURE(0xdu, 1, 0, 1)
#define F_XSAVES FEATURE(0xdu, 1, 0, 3)
#define M(x) ZYDIS_MNEMONIC_##x
static const XsaveRow rows[] = {
    {M(FXSAVE), op_fxsave, 0, F_FXSR},
    {M(FXSAVE64), op_fxsave, XS_REX_W, F_FXSR},
    {M(FXRSTOR), op_fxrstor, 0, F_FXSR},
    {M(FXRSTOR64), op_fxrstor, XS_REX_W, F_FXSR},
    {M(LDMXCSR), op_ldmxcsr, 0, F_SSE},
    {M(STMXCSR), op_stmxcsr, 0, F_SSE},
    {M(VLDMXCSR), op_ldmxcsr, 1, F_AVX},
    {M(VSTMXCSR), op_stmxcsr, 1, F_AVX},
    {M(XSAVE), op_xsave, 0, F_XSAVE},
    {M(XSAVE64), op_xsave, XS_REX_W, F_XSAVE},
    {M(XSAVEOPT), op_xsave, XS_INIT_OPT, F_XSAVEOPT},
    {M(XSAVEOPT64), op_xsave, XS_INIT_OPT | XS_REX_W, F_XSAVEOPT},
    {M(XSAVEC), op_xsave, XS_COMPACT, F_XSAVEC},
    {M(XSAVEC64), op_xsave, XS_COMPACT | XS_REX_W, F_XSAVEC},
    {M(XSAVES), op_xsave, XS_COMPACT | XS_SUPERVISOR, F_XSAVES},
    {M(XSAVES64), op_xsave, XS_COMPACT | XS_SUPERVISOR | XS_REX_W, F_XSAVES},
    {M(XRSTOR), op_xrstor, 0, F_XSAVE},
    {M(XRSTOR64), op_xrstor, XS_REX_W, F_XSAVE},
    {M(XRSTORS), op_xrstor, XS_SUPERVISOR, F_XSAVES},
    {M(XRSTORS64), op_xrstor, XS_SUPERVISOR | XS_REX_W, F_XSAVES},
};

bool family_xsave(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].mnemonic != d->insn.mnemonic) {
            continue;
        }
        op->flags = rows[i].flags;
        op->fn = cpu->world->has_feature(cpu, rows[i].feature) ? rows[i].fn : op_ud;
        return true;
    }
    return false;
}
