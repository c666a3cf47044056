/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stand-ins around the vector families: see guest.h. */
#include "guest.h"
#include "swtdx/host/cpu/group.h"

#include <stdlib.h>

static Guest *guest_of(Cpu *cpu)
{
    return cpu->world_data;
}

void cpu_raise(Cpu *cpu, uint8_t vector, uint32_t error)
{
    cpu->raise_vector = vector;
    longjmp(cpu->escape, 1);
}

void cpu_unsupported(Cpu *cpu, const char *what)
{
    longjmp(cpu->escape, 2);
}

const Op *op_ud(Cpu *cpu, const Op *op)
{
    cpu->op = op;
    cpu_raise(cpu, VEC_UD, 0);
}

uint64_t cpu_rflags(Cpu *cpu)
{
    return cpu->rflags;
}

void cpu_set_rflags(Cpu *cpu, uint64_t rflags)
{
    cpu->rflags = rflags;
}

void mmu_flush_all(Cpu *cpu)
{
}

static uint8_t *translate(Cpu *cpu, const Op *op, uint64_t linear, size_t n, bool write)
{
    Guest *g = guest_of(cpu);

    for (uint64_t at = linear; at < linear + n; at++) {
        if (at < GUEST_MEMORY || at >= GUEST_MEMORY + GUEST_MEMORY_SIZE || (write && g->readonly)) {
            g->fault_address = at;
            cpu->op = op;
            cpu_raise(cpu, VEC_PF, 0);
        }
    }
    return g->memory + (linear - GUEST_MEMORY);
}

void mmu_read(Cpu *cpu, const Op *op, uint64_t linear, void *buf, size_t n)
{
    memcpy(buf, translate(cpu, op, linear, n, false), n);
}

void mmu_write(Cpu *cpu, const Op *op, uint64_t linear, const void *buf, size_t n)
{
    memcpy(translate(cpu, op, linear, n, true), buf, n);
}

void mmu_probe(Cpu *cpu, const Op *op, uint64_t linear, size_t n, CpuAccess access)
{
    translate(cpu, op, linear, n, access == CPU_WRITE);
}

uint64_t mmu_load_slow(Cpu *cpu, const Op *op, uint64_t linear, unsigned size)
{
    uint64_t v = 0;
    mmu_read(cpu, op, linear, &v, size);
    return v;
}

void mmu_store_slow(Cpu *cpu, const Op *op, uint64_t linear, uint64_t value, unsigned size)
{
    mmu_write(cpu, op, linear, &value, size);
}

uint64_t segment_linear_slow(Cpu *cpu, const Op *op, unsigned seg, uint64_t ea, unsigned size,
                             bool write)
{
    return ea + cpu->seg[seg].base;
}

static bool has_feature(Cpu *cpu, unsigned feature)
{
    return !guest_of(cpu)->no_feature;
}

static const CpuWorld world = {.has_feature = has_feature};

Guest *guest_new(void)
{
    Guest *g = g_new0(Guest, 1);
    Cpu *cpu = aligned_alloc(_Alignof(Cpu), sizeof(Cpu));

    memset(cpu, 0, sizeof(*cpu));
    g->cpu = cpu;
    g->memory = aligned_alloc(4096, GUEST_MEMORY_SIZE);
    memset(g->memory, 0, GUEST_MEMORY_SIZE);
    cpu->group = g_new0(CpuGroup, 1);
    cpu->world = &world;
    cpu->world_data = g;
    cpu->mode = CPU_MODE_CS64 | CPU_MODE_LONG;
    cpu->cr0 = CR0_PE | CR0_MP | 1u << 5;
    cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->xcr0 = XFEATURE_X87 | XFEATURE_SSE | XFEATURE_AVX | XFEATURE_AVX512 | XFEATURE_PKRU |
                XFEATURE_AMX;
    cpu->rflags = 2;
    cpu->tlb = cpu->tlbs[0];
    guest_enable_tlb(g, false);
    g_assert_true(vec_init(cpu));
    return g;
}

void guest_free(Guest *g)
{
    vec_fini(g->cpu);
    g_free(g->cpu->group);
    free(g->cpu);
    free(g->memory);
    g_free(g);
}

void guest_enable_tlb(Guest *g, bool enable)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        g->cpu->tlb[i].read = g->cpu->tlb[i].write = TLB_INVALID;
    }
    for (uint64_t at = GUEST_MEMORY; enable && at < GUEST_MEMORY + GUEST_MEMORY_SIZE; at += 4096) {
        TlbEntry *e = mmu_entry(g->cpu, at);
        e->read = e->write = at;
        e->addend = (uintptr_t)g->memory - GUEST_MEMORY;
    }
}

static const Op *op_stop(Cpu *cpu, const Op *op)
{
    return NULL;
}

static uint8_t register_offset(ZydisRegister r)
{
    if (r == ZYDIS_REGISTER_RIP) {
        return GPR_PAGE * 8;
    }
    if (r == ZYDIS_REGISTER_NONE || ZydisRegisterGetClass(r) > ZYDIS_REGCLASS_GPR64) {
        return GPR_ZERO * 8;
    }
    return (uint8_t)(ZydisRegisterGetId(r) * 8);
}

static void fill_memory(const ZydisDecodedOperandMem *m, Op *op)
{
    op->base = register_offset(m->base);
    op->index = register_offset(m->index);
    op->shift = m->scale ? (uint8_t)__builtin_ctz(m->scale) : 0;
    op->disp = m->disp.value + (m->base == ZYDIS_REGISTER_RIP ? op->len : 0);
    op->seg = (uint8_t)(m->segment - ZYDIS_REGISTER_ES);
}

int guest_decode(Guest *g, const uint8_t *bytes, size_t n)
{
    ZydisDecoder decoder;
    Op *op = &g->ops[0];
    bool ends = false;
    bool is_long = g->cpu->mode & CPU_MODE_CS64;

    ZydisDecoderInit(&decoder, is_long ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32,
                     is_long ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
    memset(g->ops, 0, sizeof(g->ops));
    g->ops[1].fn = op_stop;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, n, &g->d.insn, g->d.operand))) {
        return is_long && vec_choose_unknown(g->cpu, bytes, n, op) ? STEP_OK : STEP_BAD_ENCODING;
    }
    g->d.bytes = bytes;
    g->d.mode = g->cpu->mode;
    g->d.memory = ZYDIS_MAX_OPERAND_COUNT;
    op->len = g->d.insn.length;
    op->mnemonic = g->d.insn.mnemonic;
    op->addr_size = g->d.insn.address_width / 8;
    op->base = op->index = GPR_ZERO * 8;
    op->seg = SEG_DS;
    for (unsigned i = 0; i < g->d.insn.operand_count_visible; i++) {
        const ZydisDecodedOperand *o = &g->d.operand[i];
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            g->d.memory = i;
            fill_memory(&o->mem, op);
        } else if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            op->imm = o->imm.value.u;
        }
    }
    return family_xsave(g->cpu, &g->d, op, &ends) || family_vector(g->cpu, &g->d, op, &ends) ||
                   vec_choose_unknown(g->cpu, bytes, n, op)
               ? STEP_OK
               : STEP_NOT_TAKEN;
}

int guest_run(Guest *g)
{
    int how = setjmp(g->cpu->escape);

    if (how == 0) {
        for (const Op *op = &g->ops[0]; op && op->fn != op_stop; op = op->fn(g->cpu, op)) {
        }
        return STEP_OK;
    }
    return how == 1 ? g->cpu->raise_vector : STEP_UNSUPPORTED;
}

int guest_step(Guest *g, const uint8_t *bytes, size_t n)
{
    int r = guest_decode(g, bytes, n);
    return r == STEP_OK ? guest_run(g) : r;
}
