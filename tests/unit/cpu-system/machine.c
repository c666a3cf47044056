/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests' machine. */
#include "machine.h"

static Machine *of(Cpu *cpu)
{
    return cpu->world_data;
}

static void world_map(Cpu *cpu, uint64_t gpa, uint64_t linear, bool linear_valid, CpuAccess access,
                      CpuHostPage *page)
{
    Machine *m = of(cpu);
    gpa &= ~SHARED_BIT;
    if (m->unmapped_once && gpa >> 12 == m->unmapped_once) {
        m->unmapped_once = 0;
        cpu_leave(cpu, CPU_EXIT_WORLD, false);
    }
    if (m->interrupt_at && gpa >> 12 == m->interrupt_at) {
        m->interrupt_at = 0;
        cpu_request(cpu, CPU_PENDING_INTERRUPT);
    }
    if (m->moved_page && gpa >> 12 == m->moved_page) {
        *page = (CpuHostPage){ m->moved_to, true };
        return;
    }
    if (gpa >= RAM_SIZE) {
        cpu_raise(cpu, VEC_VE, 0);
    }
    *page = (CpuHostPage){ m->ram + gpa, true };
}

static const uint8_t *world_peek(Cpu *cpu, uint64_t gpa)
{
    gpa &= ~SHARED_BIT;
    return gpa < RAM_SIZE ? of(cpu)->ram + gpa : NULL;
}

static void world_cpuid(Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    out[0] = leaf;
    out[1] = subleaf;
    out[2] = 0xc;
    out[3] = 0xd;
}

static uint64_t world_rdmsr(Cpu *cpu, uint32_t index)
{
    return of(cpu)->msr;
}

static void world_wrmsr(Cpu *cpu, uint32_t index, uint64_t value)
{
    of(cpu)->msr = value;
}

static bool world_msr_native(Cpu *cpu, uint32_t index, bool write)
{
    if (index == 0x1234) {
        cpu_raise(cpu, VEC_VE, 0);
    }
    return true;
}

static void world_io(Cpu *cpu, uint16_t port, unsigned size, bool write, bool string, bool rep,
                     bool immediate)
{
    of(cpu)->exit_reason = port | size << 16 | (uint32_t)write << 20 | (uint32_t)string << 21 |
                           (uint32_t)rep << 22 | (uint32_t)immediate << 23;
    cpu_leave(cpu, CPU_EXIT_WORLD, true);
}

static void world_hlt(Cpu *cpu)
{
    cpu_leave(cpu, CPU_EXIT_WORLD, false);
}

static void world_instruction(Cpu *cpu, uint32_t exit_reason)
{
    of(cpu)->exit_reason = exit_reason;
    cpu_leave(cpu, CPU_EXIT_WORLD, true);
}

static void world_write_cr(Cpu *cpu, uint64_t value)
{
}

static uint64_t world_write_cr4(Cpu *cpu, uint64_t value)
{
    return value;
}

static void world_tdcall(Cpu *cpu)
{
    cpu_leave(cpu, CPU_EXIT_WORLD, true);
}

static int world_accept(Cpu *cpu)
{
    Machine *m = of(cpu);
    int vector = m->vectors[m->accepted];
    m->accepted += vector >= 0;
    return vector;
}

static uint64_t world_rdtsc(Cpu *cpu)
{
    return UINT64_C(0x123456789a);
}

static bool world_has_feature(Cpu *cpu, unsigned feature)
{
    return !of(cpu)->no_features;
}

static const CpuWorld world = {
    .map = world_map,
    .peek = world_peek,
    .cpuid = world_cpuid,
    .rdmsr = world_rdmsr,
    .wrmsr = world_wrmsr,
    .msr_native = world_msr_native,
    .io = world_io,
    .hlt = world_hlt,
    .instruction = world_instruction,
    .write_cr0 = world_write_cr,
    .write_cr4 = world_write_cr4,
    .xsetbv = world_write_cr,
    .tdcall = world_tdcall,
    .interrupt_accept = world_accept,
    .rdtsc = world_rdtsc,
    .has_feature = world_has_feature,
};

static Machine *make(CpuGroup *group, uint8_t *ram)
{
    Machine *m = g_new0(Machine, 1);
    m->ram = ram;
    m->group = group;
    m->cpu = cpu_new(m->group, &world, m);
    g_assert_nonnull(m->cpu);
    m->cpu->phys_bits = 46;
    m->cpu->shared_bit = SHARED_BIT;
    m->cpu->gb_pages = true;
    m->cpu->xcr0_mask = 0xe7;
    for (unsigned i = 0; i < G_N_ELEMENTS(m->vectors); i++) {
        m->vectors[i] = -1;
    }
    return m;
}

Machine *machine_new(void)
{
    const char *heat = g_getenv("SWTDX_TEST_JIT");
    return make(cpu_group_new(4, heat != NULL ? (unsigned)atoi(heat) : CPU_JIT_HEAT),
                g_malloc0(RAM_SIZE + 4096));
}

Machine *machine_beside(const Machine *first)
{
    Machine *m = make(first->group, first->ram);
    m->beside = true;
    return m;
}

void machine_free(Machine *m)
{
    cpu_free(m->cpu);
    if (!m->beside) {
        cpu_group_free(m->group);
        g_free(m->ram);
    }
    g_free(m);
}

void machine_code(Machine *m, uint64_t at, const void *bytes, size_t size)
{
    memcpy(m->ram + at, bytes, size);
}

void machine_run(Machine *m)
{
    g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
}

uint64_t machine_word(const Machine *m, uint64_t at)
{
    uint64_t value;
    memcpy(&value, m->ram + at, sizeof(value));
    return value;
}

uint64_t machine_stack(const Machine *m, unsigned n)
{
    return machine_word(m, m->cpu->regs[GPR_RSP] + n * 8);
}

void machine_set_word(Machine *m, uint64_t at, uint64_t value)
{
    memcpy(m->ram + at, &value, sizeof(value));
}

uint64_t machine_handler(unsigned vector)
{
    return AT_HANDLERS + vector * 16;
}

void machine_gate64(Machine *m, unsigned vector, unsigned dpl, unsigned ist, unsigned type)
{
    uint64_t to = machine_handler(vector);
    machine_set_word(m, AT_IDT + vector * 16,
                     (to & 0xffff) | (uint64_t)SEL_CODE64 << 16 | (uint64_t)ist << 32
                         | (uint64_t)(0x80 | dpl << 5 | type) << 40 | (to >> 16 & 0xffff) << 48);
    machine_set_word(m, AT_IDT + vector * 16 + 8, to >> 32);
}

void machine_gate32(Machine *m, unsigned vector, unsigned dpl, unsigned type)
{
    uint64_t to = machine_handler(vector);
    machine_set_word(m, AT_IDT + vector * 8,
                     (to & 0xffff) | (uint64_t)SEL_CODE32 << 16 |
                         (uint64_t)(0x80 | dpl << 5 | type) << 40 | (to >> 16 & 0xffff) << 48);
}

static void make_tables(Machine *m)
{
    static const uint64_t gdt[] = {
        0,
        UINT64_C(0x00cf9b000000ffff), /* 08 32-bit code */
        UINT64_C(0x00cf93000000ffff), /* 10 data */
        UINT64_C(0x00af9b000000ffff), /* 18 64-bit code */
        UINT64_C(0x00cffb000000ffff), /* 20 32-bit user code */
        UINT64_C(0x00cff3000000ffff), /* 28 user data */
        UINT64_C(0x00affb000000ffff), /* 30 64-bit user code */
        UINT64_C(0x0000890030000067), /* 38 TSS at 3000h */
        0,
    };
    memcpy(m->ram + AT_GDT, gdt, sizeof(gdt));
    memset(m->ram + AT_HANDLERS, 0xf4, 256 * 16);
    machine_set_word(m, AT_TSS + 4, AT_RSP0);
    machine_set_word(m, AT_TSS + 0x24, AT_IST1);
    machine_set_word(m, AT_PML5, AT_PML4 | 7);
    machine_set_word(m, AT_PML4, AT_PDPT | 7);
    machine_set_word(m, AT_PDPT, AT_PD | 7);
    machine_set_word(m, AT_PD, AT_PT | 7);
    for (unsigned i = 0; i < 512; i++) {
        machine_set_word(m, AT_PT + i * 8, i << 12 | 7);
    }
}

uint64_t *machine_pte(Machine *m, uint64_t linear)
{
    return (uint64_t *)(void *)(m->ram + AT_PT) + (linear >> 12);
}

void machine_start32(Machine *m)
{
    Cpu *cpu = m->cpu;
    make_tables(m);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu->seg[i] = (Segment){ .access = i == SEG_CS ? 0xc09b : 0xc093, .limit = 0xffffffff };
    }
    cpu->ldtr = (Segment){ .access = 0x10082, .limit = 0xffff };
    cpu->tr = (Segment){ .access = 0x8b, .limit = 0xffff };
    cpu->cr0 = CR0_PE | CR0_ET | CR0_NE;
    cpu->cr4 = CR4_MCE;
    cpu->efer = EFER_SCE | EFER_LME | EFER_NXE;
    cpu->rflags = 2;
    cpu->rip = AT_CODE;
    cpu->regs[GPR_RSP] = AT_KERNEL_STACK;
    cpu_update_mode(cpu);
}

void machine_long(Machine *m)
{
    Cpu *cpu = m->cpu;
    machine_start32(m);
    cpu->gdtr = (DescriptorTable){ AT_GDT, 0x47 };
    cpu->idtr = (DescriptorTable){ AT_IDT, 0xfff };
    cpu->cr3 = AT_PML4;
    cpu->cr4 |= CR4_PAE;
    cpu->cr0 |= CR0_PG | CR0_WP;
    cpu->efer |= EFER_LMA;
    cpu->seg[SEG_CS] = (Segment){ SEL_CODE64, 0xa09b, 0xffffffff, 0 };
    cpu->seg[SEG_SS] = (Segment){ SEL_DATA, 0xc093, 0xffffffff, 0 };
    cpu->tr = (Segment){ SEL_TSS, 0x8b, 0x67, AT_TSS };
    cpu_update_mode(cpu);
    for (unsigned i = 0; i < 256; i++) {
        machine_gate64(m, i, 0, 0, 14);
    }
}

bool machine_raises(Machine *m, void (*body)(Cpu *cpu, void *opaque), void *opaque)
{
    if (setjmp(m->cpu->escape) == 0) {
        m->cpu->op = NULL;
        body(m->cpu, opaque);
        return false;
    }
    return true;
}
