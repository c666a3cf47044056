/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOVS STOS LODS CMPS SCAS, alone and repeated (Intel SDM vol. 2, REP).
 *
 * A repeated instruction works in chunks. After each chunk rCX, rSI and rDI say what is done, so a
 * fault or an interrupt in between finds the guest where the architecture wants it, and the
 * instruction is simply started again. Upwards MOVS and STOS go from page to page as host copies;
 * everything else goes element by element.
 */
#include "block.h"
#include "int.h"

enum { REP_NONE, REP, REPE, REPNE };

#define ELEMENTS_PER_CHUNK 1024 /* between looks at Cpu.pending, when going one by one */

/* op->size: element; op->src: REP_*; op->seg: of the source; addr_size as ever. */

static inline uint64_t address_mask(const Op *op)
{
    return op->addr_size == 8 ? UINT64_MAX : op->addr_size == 4 ? UINT32_MAX : UINT16_MAX;
}

/* A 32-bit address size clears the upper half of what it writes, 16 bits keep the rest. */
static inline void set_counted(Cpu *cpu, const Op *op, unsigned reg, uint64_t v)
{
    if (op->addr_size == 2) {
        reg_write16(cpu, reg * 8, v);
    } else if (op->addr_size == 4) {
        reg_write32(cpu, reg * 8, v);
    } else {
        cpu->regs[reg] = v;
    }
}

static uint64_t string_linear(Cpu *cpu, const Op *op, unsigned seg, uint64_t ea, bool write)
{
    if (cpu->mode & CPU_MODE_CS64) {
        return ea + (seg >= SEG_FS ? cpu->seg[seg].base : 0);
    }
    return segment_linear_slow(cpu, op, seg, ea, op->size, write);
}

static inline uint64_t source_linear(Cpu *cpu, const Op *op)
{
    return string_linear(cpu, op, op->seg, cpu->regs[GPR_RSI] & address_mask(op), false);
}

static inline uint64_t target_linear(Cpu *cpu, const Op *op, bool write)
{
    return string_linear(cpu, op, SEG_ES, cpu->regs[GPR_RDI] & address_mask(op), write);
}

static uint64_t load(Cpu *cpu, const Op *op, uint64_t linear)
{
    switch (op->size) {
    case 1:
        return mmu_load8(cpu, op, linear);
    case 2:
        return mmu_load16(cpu, op, linear);
    case 4:
        return mmu_load32(cpu, op, linear);
    default:
        return mmu_load64(cpu, op, linear);
    }
}

static void store(Cpu *cpu, const Op *op, uint64_t linear, uint64_t v)
{
    switch (op->size) {
    case 1:
        mmu_store8(cpu, op, linear, (uint8_t)v);
        break;
    case 2:
        mmu_store16(cpu, op, linear, (uint16_t)v);
        break;
    case 4:
        mmu_store32(cpu, op, linear, (uint32_t)v);
        break;
    default:
        mmu_store64(cpu, op, linear, v);
        break;
    }
}

static uint64_t extend(const Op *op, uint64_t v)
{
    return op->size == 1   ? SEXT(8, v)
           : op->size == 2 ? SEXT(16, v)
           : op->size == 4 ? SEXT(32, v)
                           : v;
}

static inline int64_t step(const Cpu *cpu, const Op *op)
{
    return cpu->rflags & FLAG_DF ? -(int64_t)op->size : (int64_t)op->size;
}

static inline void advance(Cpu *cpu, const Op *op, unsigned reg, int64_t by)
{
    set_counted(cpu, op, reg, cpu->regs[reg] + (uint64_t)by);
}

static void compare(Cpu *cpu, const Op *op, uint64_t left, uint64_t right)
{
    uint64_t a = extend(op, left), b = extend(op, right);
    flags_set(cpu, CC_SUB, extend(op, a - b), a, b);
}

/* ---- one element ---- */

static void movs_one(Cpu *cpu, const Op *op)
{
    uint64_t v = load(cpu, op, source_linear(cpu, op));
    store(cpu, op, target_linear(cpu, op, true), v);
    advance(cpu, op, GPR_RSI, step(cpu, op));
    advance(cpu, op, GPR_RDI, step(cpu, op));
}

static void stos_one(Cpu *cpu, const Op *op)
{
    store(cpu, op, target_linear(cpu, op, true), cpu->regs[GPR_RAX]);
    advance(cpu, op, GPR_RDI, step(cpu, op));
}

static void lods_one(Cpu *cpu, const Op *op)
{
    uint64_t v = load(cpu, op, source_linear(cpu, op));
    switch (op->size) {
    case 1:
        reg_write8(cpu, GPR_RAX * 8, v);
        break;
    case 2:
        reg_write16(cpu, GPR_RAX * 8, v);
        break;
    case 4:
        reg_write32(cpu, GPR_RAX * 8, v);
        break;
    default:
        cpu->regs[GPR_RAX] = v;
        break;
    }
    advance(cpu, op, GPR_RSI, step(cpu, op));
}

static void cmps_one(Cpu *cpu, const Op *op)
{
    uint64_t left = load(cpu, op, source_linear(cpu, op));
    uint64_t right = load(cpu, op, target_linear(cpu, op, false));
    compare(cpu, op, left, right);
    advance(cpu, op, GPR_RSI, step(cpu, op));
    advance(cpu, op, GPR_RDI, step(cpu, op));
}

static void scas_one(Cpu *cpu, const Op *op)
{
    compare(cpu, op, cpu->regs[GPR_RAX], load(cpu, op, target_linear(cpu, op, false)));
    advance(cpu, op, GPR_RDI, step(cpu, op));
}

/* ---- many at once: return how many elements were done, 0 when it must go one by one ---- */

/*
 * Upwards in 64-bit code, or flat with 32-bit addresses that do not wrap: address space is linear.
 */
static bool linear_run(const Cpu *cpu, const Op *op, uint64_t ea, uint64_t bytes)
{
    if ((cpu->rflags & FLAG_DF) || (cpu->mode & (CPU_MODE_CS64 | CPU_MODE_FLAT)) == 0) {
        return false;
    }
    return bytes <= address_mask(op) - ea;
}

static uint64_t movs_many(Cpu *cpu, const Op *op, uint64_t count)
{
    uint64_t from_ea = cpu->regs[GPR_RSI] & address_mask(op),
             to_ea = cpu->regs[GPR_RDI] & address_mask(op);
    size_t n = count < GUEST_PAGE_SIZE / op->size ? count * op->size : GUEST_PAGE_SIZE;
    if (!linear_run(cpu, op, from_ea, n) || !linear_run(cpu, op, to_ea, n) ||
        (!(cpu->mode & CPU_MODE_CS64) && op->seg >= SEG_FS)) {
        return 0;
    }
    uint64_t source = source_linear(cpu, op), target = target_linear(cpu, op, true);
    /*
     * A target just above its source repeats a pattern: that is not a memmove. By page offset,
     * since pages may be aliases; at the same offset, as when a page is copied, nothing is
     * repeated.
     */
    size_t gap = (target - source) & (GUEST_PAGE_SIZE - 1);
    if (gap != 0 && gap < n) {
        n = gap;
    }
    if (n < 2u * op->size) {
        return 0;
    }
    const uint8_t *s = mmu_span(cpu, op, source, CPU_READ, &n);
    uint8_t *t = mmu_span(cpu, op, target, CPU_WRITE, &n);
    n -= n % op->size;
    if (n == 0) {
        return 0;
    }
    memmove(t, s, n);
    advance(cpu, op, GPR_RSI, (int64_t)n);
    advance(cpu, op, GPR_RDI, (int64_t)n);
    return n / op->size;
}

static void fill(uint8_t *t, uint64_t v, unsigned size, size_t n)
{
    if (size == 1 || (size == 2 && (v & 0xff) == ((v >> 8) & 0xff)) || v == 0) {
        memset(t, (int)(v & 0xff), n);
        return;
    }
    for (size_t i = 0; i < n; i += size) {
        memcpy(t + i, &v, size); /* little-endian host: the low bytes */
    }
}

static uint64_t stos_many(Cpu *cpu, const Op *op, uint64_t count)
{
    uint64_t ea = cpu->regs[GPR_RDI] & address_mask(op);
    size_t n = count < GUEST_PAGE_SIZE / op->size ? count * op->size : GUEST_PAGE_SIZE;
    if (!linear_run(cpu, op, ea, n)) {
        return 0;
    }
    uint8_t *t = mmu_span(cpu, op, target_linear(cpu, op, true), CPU_WRITE, &n);
    n -= n % op->size;
    if (n == 0) {
        return 0;
    }
    uint64_t v = cpu->regs[GPR_RAX];
    fill(t, op->size == 8 ? v : v & ((UINT64_C(1) << (op->size * 8)) - 1), op->size, n);
    advance(cpu, op, GPR_RDI, (int64_t)n);
    return n / op->size;
}

static uint64_t none_many(Cpu *cpu, const Op *op, uint64_t count)
{
    (void)cpu;
    (void)op;
    (void)count;
    return 0;
}

/* ---- repeating ---- */

static inline bool interrupted(const Cpu *cpu)
{
    return (atomic_load_explicit(&cpu->pending, memory_order_relaxed) &
            ~(uint32_t)CPU_PENDING_SHADOW) != 0;
}

/*
 * Up to one chunk. False: the instruction is complete. The count is written after each element,
 * since each may fault.
 */
static inline __attribute__((always_inline)) bool repeat_chunk(Cpu *cpu, const Op *op,
                                                               void (*one)(Cpu *, const Op *),
                                                               uint64_t (*many)(Cpu *, const Op *,
                                                                                uint64_t))
{
    uint64_t count = cpu->regs[GPR_RCX] & address_mask(op);
    uint32_t pending = atomic_load_explicit(&cpu->pending, memory_order_relaxed);
    uint64_t limit = pending & CPU_PENDING_STEP ? 1 : ELEMENTS_PER_CHUNK;
    if (count == 0) {
        return false;
    }
    uint64_t done = limit > 1 ? many(cpu, op, count) : 0;
    if (done != 0) {
        set_counted(cpu, op, GPR_RCX, count - done);
        return count != done;
    }
    for (uint64_t i = 0; i < limit; i++) {
        one(cpu, op);
        count--;
        set_counted(cpu, op, GPR_RCX, count);
        if (count == 0 || (op->src == REPE && !flags_zf(cpu)) ||
            (op->src == REPNE && flags_zf(cpu))) {
            return false;
        }
    }
    return true;
}

#define DEFINE_STRING(name, many)                         \
    HANDLER(op_##name)                                    \
    {                                                     \
        name##_one(cpu, op);                              \
        NEXT(cpu, op);                                    \
    }                                                     \
    HANDLER(op_rep_##name)                                \
    {                                                     \
        while (repeat_chunk(cpu, op, name##_one, many)) { \
            if (interrupted(cpu)) {                       \
                return int_restart(cpu, op);              \
            }                                             \
        }                                                 \
        NEXT(cpu, op);                                    \
    }
DEFINE_STRING(movs, movs_many)
DEFINE_STRING(stos, stos_many)
DEFINE_STRING(lods, none_many)
DEFINE_STRING(cmps, none_many)
DEFINE_STRING(scas, none_many)

enum { STRING_MOVS, STRING_STOS, STRING_LODS, STRING_CMPS, STRING_SCAS, STRING_COUNT };

static int string_kind(ZydisMnemonic mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_MOVSB:
    case ZYDIS_MNEMONIC_MOVSW:
    case ZYDIS_MNEMONIC_MOVSD:
    case ZYDIS_MNEMONIC_MOVSQ:
        return STRING_MOVS;
    case ZYDIS_MNEMONIC_STOSB:
    case ZYDIS_MNEMONIC_STOSW:
    case ZYDIS_MNEMONIC_STOSD:
    case ZYDIS_MNEMONIC_STOSQ:
        return STRING_STOS;
    case ZYDIS_MNEMONIC_LODSB:
    case ZYDIS_MNEMONIC_LODSW:
    case ZYDIS_MNEMONIC_LODSD:
    case ZYDIS_MNEMONIC_LODSQ:
        return STRING_LODS;
    case ZYDIS_MNEMONIC_CMPSB:
    case ZYDIS_MNEMONIC_CMPSW:
    case ZYDIS_MNEMONIC_CMPSD:
    case ZYDIS_MNEMONIC_CMPSQ:
        return STRING_CMPS;
    case ZYDIS_MNEMONIC_SCASB:
    case ZYDIS_MNEMONIC_SCASW:
    case ZYDIS_MNEMONIC_SCASD:
    case ZYDIS_MNEMONIC_SCASQ:
        return STRING_SCAS;
    default:
        return -1;
    }
}

/* The source's segment may be overridden, the target's is always ES. */
static uint8_t source_segment(const Decoded *d)
{
    for (unsigned i = 0; i < d->insn.operand_count; i++) {
        const ZydisDecodedOperand *o = &d->operand[i];
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY &&
            (o->mem.base == ZYDIS_REGISTER_RSI || o->mem.base == ZYDIS_REGISTER_ESI ||
             o->mem.base == ZYDIS_REGISTER_SI)) {
            return (uint8_t)(o->mem.segment - ZYDIS_REGISTER_ES);
        }
    }
    return SEG_DS;
}

static uint8_t element_size(const Decoded *d)
{
    for (unsigned i = 0; i < d->insn.operand_count; i++) {
        if (d->operand[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            return (uint8_t)(d->operand[i].size / 8);
        }
    }
    return 1;
}

bool family_string(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    static const OpFn once[STRING_COUNT] = { op_movs, op_stos, op_lods, op_cmps, op_scas };
    static const OpFn repeated[STRING_COUNT] = { op_rep_movs, op_rep_stos, op_rep_lods, op_rep_cmps,
                                                 op_rep_scas };
    (void)cpu;
    (void)ends;
    int kind = string_kind(d->insn.mnemonic);
    /* MOVSD and CMPSD are also names of SSE2 instructions */
    if (kind < 0 || d->insn.meta.category != ZYDIS_CATEGORY_STRINGOP) {
        return false;
    }
    bool compares = kind == STRING_CMPS || kind == STRING_SCAS;
    bool repe = d->insn.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE);
    bool repne = d->insn.attributes & ZYDIS_ATTRIB_HAS_REPNE;
    op->src = repe ? compares ? REPE : REP : repne ? compares ? REPNE : REP : REP_NONE;
    op->seg = source_segment(d);
    op->size = element_size(d); /* the operand width of byte forms is not 8 in Zydis */
    op->fn = op->src != REP_NONE ? repeated[kind] : once[kind];
    return true;
}
