/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile guest: random code, registers and paging structures in a TD of a few pages on the real
 * module and core. Whatever it does, TDH.VP.ENTER comes back with an exit that KVM knows, and
 * nothing of the host is touched or leaked.
 *
 * Input: mode, options, 8 bytes of register seeds, number of paging patches, the patches (table,
 * entry, 8 bytes each), code. Each fault of the guest ends in a TDG.VP.VMCALL, after which it goes
 * on elsewhere in the code. A signal ends loops.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "fuzz.h"
#include "swtdx/host/cpu/core.h"
#include "swtdx/host/module/module.h"

enum {
    AT_PML5 = 0x1000, AT_PML4 = 0x2000, AT_PDPT = 0x3000, AT_PD = 0x4000, AT_PT = 0x5000,
    AT_GDT = 0x6000, AT_IDT = 0x7000,
    AT_IDT32 = 0x8000, AT_STUBS = 0x9000, AT_TSS = 0xa000, AT_STACK = 0xb000, AT_CODE = 0xc000,
    AT_CODE2 = 0xd000,
    AT_DATA = 0xe000, AT_SHADOW = 0xf000, AT_END = 0x10000,
    AT_SHADOW_SUPERVISOR = 0x10000, /* the same page, as shadow stack of the other levels */
};
enum { MODE_64, MODE_64_USER, MODE_32, MODE_32_PAGED, MODE_COMPAT, MODE_TDCALL, MODE_5_LEVEL,
       MODE_64_DEBUG, MODES };
enum { OPTION_PENDING_VE = 1, OPTION_GPAW_52 = 2, OPTION_SMAP = 4, OPTION_TRACE = 8,
       OPTION_PKU = 16, OPTION_INTERRUPTS = 32,
       OPTION_CET = 64 };

#define MAX_ENTRIES 24u
#define TICK_US 1000
#define MAX_CODE 0x1800u

typedef struct Input {
    const uint8_t *data;
    size_t size;
} Input;

typedef struct Guest {
    Td *td;
    TdVcpu *vcpu;
    Lapic lapic;
    uint8_t shared[2][4096];
    uint64_t seed;
} Guest;

static Cpu *_Atomic running;

static void tick(int signo)
{
    Cpu *cpu = running;
    (void)signo;
    if (cpu) {
        cpu_request(cpu, CPU_PENDING_EXIT);
    }
}

static uint8_t take(Input *in)
{
    if (!in->size) {
        return 0;
    }
    in->size--;
    return *in->data++;
}

static uint64_t take64(Input *in)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)take(in) << (8 * i);
    }
    return value;
}

/* Registers worth having: small numbers, addresses of the guest's pages, edges. */
static uint64_t next(Guest *g)
{
    static const uint64_t edges[] = {0, 1, UINT64_MAX, UINT64_C(1) << 47, UINT64_C(0x7ffffffffff8),
                                     UINT64_C(1) << 51,
                                     0xffffffff, 0x1ff8, AT_DATA, AT_DATA + 0xffc, AT_CODE,
                                     AT_PT + 8, 0xc0000082, 0x6000,
                                     AT_END, UINT64_C(0x8000) | UINT64_C(1) << 47};
    g->seed = g->seed * UINT64_C(6364136223846793005) + 1;
    uint64_t r = g->seed >> 16;
    return r & 1 ? edges[r >> 1 & 15] + (r >> 5 & 0x7) : r & 2 ? r >> 8 & 0xffff : r;
}

static uint8_t *shared_page(void *opaque, uint64_t gpa, bool *writable)
{
    Guest *g = opaque;
    *writable = gpa != 0x9000;
    return gpa == 0x8000 || gpa == 0x9000 ? g->shared[gpa >> 12 & 1]
           : gpa == 0xa000                ? TD_SHARED_EXIT
                                          : NULL;
}

static uint64_t now_ns(void *opaque)
{
    Guest *g = opaque;
    return g->seed & 0xffffff;
}

static void no_notify(void *opaque, bool nmi)
{
    (void)opaque;
    (void)nmi;
}

static void put64(uint8_t *memory, unsigned at, uint64_t value)
{
    memcpy(memory + at, &value, 8);
}

static void build_tables(uint8_t *memory)
{
    static const uint64_t gdt[] = {
        0, UINT64_C(0x00cf9b000000ffff), UINT64_C(0x00cf93000000ffff), UINT64_C(0x00af9b000000ffff),
        UINT64_C(0x00cffb000000ffff), UINT64_C(0x00cff3000000ffff), UINT64_C(0x00affb000000ffff),
        UINT64_C(0x00008900a0000067), 0, UINT64_C(0x0000ec0000189000), 0,
        UINT64_C(0x0000820060000fff), 0,
    };
    put64(memory, AT_PML5, AT_PML4 | 7);
    put64(memory, AT_PML4, AT_PDPT | 7);
    put64(memory, AT_PDPT, AT_PD | 7);
    put64(memory, AT_PD, AT_PT | 7);
    for (unsigned i = 0; i < 32; i++) {
        uint64_t shared = i >= 24 ? UINT64_C(1) << 47 : 0;
        put64(memory, AT_PT + i * 8, (uint64_t)(i >= 24 ? i - 16 : i) << 12 | 7 | shared);
    }
    memcpy(memory + AT_GDT, gdt, sizeof(gdt));
    put64(memory, AT_TSS + 4, AT_STACK + 0xff0);
    put64(memory, AT_TSS + 8, 0x10);
    put64(memory, AT_TSS + 0x24, AT_STACK + 0x800);
}

/* Handlers: the number of the vector in R10, then TDG.VP.VMCALL. */
static void build_handlers(uint8_t *memory)
{
    static const uint8_t end[] = {0xb9, 0x00, 0x04, 0, 0, 0x31, 0xc0, 0x66, 0x0f, 0x01, 0xcc, 0xf4};
    for (unsigned i = 0; i < 256; i++) {
        unsigned dpl = i == 3 || i == 0x80 ? 0x60 : 0;
        put64(memory, AT_IDT + i * 16,
              UINT64_C(0x00008e0000180000) | (uint64_t)dpl << 40 | AT_STUBS |
                  (i == 8 ? UINT64_C(1) << 32 : 0));
        put64(memory, AT_IDT32 + i * 8,
              UINT64_C(0x00008e0000080000) | (uint64_t)dpl << 40 | (AT_STUBS + 0x100));
    }
    memcpy(memory + AT_STUBS, end, sizeof(end));
    /* TDCALL is for 64-bit mode: HLT, whose #VE comes here again */
    memset(memory + AT_STUBS + 0x100, 0xf4, 16);
}

static void build_shadow(uint8_t *memory)
{
    put64(memory, AT_PT + (AT_SHADOW >> 12) * 8, AT_SHADOW | 0x45);
    put64(memory, AT_PT + (AT_SHADOW_SUPERVISOR >> 12) * 8, AT_SHADOW | 0x41);
    put64(memory, AT_SHADOW + 0xff8, AT_SHADOW_SUPERVISOR + 0xff8);
    put64(memory, AT_SHADOW + 0x3f8, (AT_SHADOW + 0x400) | 1);
}

static void set_shadow(Guest *g, Cpu *cpu)
{
    uint64_t control[2] = {next(g) & 0x3f, next(g) & 0x3f};
    cpu->cr4 |= CR4_CET;
    cpu->u_cet = control[0] | AT_DATA;
    cpu->s_cet = control[1] | AT_DATA;
    cpu->ssp = (cpu->cpl == 3 ? AT_SHADOW : AT_SHADOW_SUPERVISOR) + 0x800;
    cpu->pl_ssp[0] = AT_SHADOW_SUPERVISOR + 0xff8;
    cpu->pl_ssp[3] = AT_SHADOW + 0xc00;
    cpu->ssp_table = AT_DATA;
    cpu->xss = cpu->xss_mask;
}

static void patch_tables(uint8_t *memory, Input *in)
{
    for (unsigned n = take(in) & 15; n; n--) {
        unsigned table = take(in) % 8, entry = take(in);
        put64(memory, AT_PML5 + table * 0x1000 + (entry % 64) * 8, take64(in));
    }
}

static void segments(Cpu *cpu, unsigned mode)
{
    bool user = mode == MODE_64_USER;
    Segment data = {user ? 0x2b : 0x10, user ? 0xc0f3 : 0xc093, 0xffffffff, 0};
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu->seg[i] = data;
    }
    cpu->seg[SEG_CS] = user ? (Segment){0x33, 0xa0fb, 0xffffffff, 0}
                       : mode == MODE_32 || mode == MODE_32_PAGED || mode == MODE_COMPAT
                           ? (Segment){8, 0xc09b, 0xffffffff, 0}
                           : (Segment){0x18, 0xa09b, 0xffffffff, 0};
    cpu->cpl = user ? 3 : 0;
    cpu->tr = (Segment){0x38, 0x8b, 0x67, AT_TSS};
    cpu->gdtr = (DescriptorTable){AT_GDT, 13 * 8 - 1};
    cpu->idtr = (DescriptorTable){AT_IDT, 0xfff};
}

static void set_registers(Guest *g, Cpu *cpu)
{
    for (unsigned i = 0; i < 16; i++) {
        cpu->regs[i] = next(g);
    }
    cpu->regs[GPR_RSP] = AT_STACK + 0xf00;
}

static void set_state(Guest *g, Cpu *cpu, unsigned mode, unsigned options)
{
    bool legacy = mode == MODE_32 || mode == MODE_32_PAGED;
    segments(cpu, mode);
    cpu->cr3 = mode == MODE_5_LEVEL ? AT_PML5 : mode == MODE_32_PAGED ? AT_PD : AT_PML4;
    cpu->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE | (legacy ? 0 : CR4_PAE) |
                (mode == MODE_5_LEVEL ? CR4_LA57 : 0) |
                (options & OPTION_SMAP ? CR4_SMAP | CR4_SMEP | CR4_UMIP : 0) |
                (options & OPTION_PKU ? CR4_PKE : 0);
    cpu->xcr0 = cpu->xcr0_mask | 1;
    if (mode != MODE_32) {
        cpu->cr0 |= CR0_PG | CR0_WP | CR0_MP;
    }
    if (!legacy) {
        cpu->efer |= EFER_LMA;
    } else {
        cpu->efer &= ~(uint64_t)EFER_LME; /* else a paged 32-bit mode could not be */
        cpu->idtr = (DescriptorTable){AT_IDT32, 0x7ff};
    }
    if (options & OPTION_TRACE) {
        cpu->rflags |= FLAG_TF;
    }
    if (options & OPTION_INTERRUPTS) {
        cpu->rflags |= FLAG_IF;
    }
    if (mode == MODE_64_DEBUG) {
        cpu->dr[0] = AT_DATA;
        cpu->dr[1] = AT_CODE + 3;
    }
    set_registers(g, cpu);
    if ((options & OPTION_CET) && mode != MODE_32) {
        set_shadow(g, cpu);
    }
    cpu->rip = AT_CODE;
    cpu_update_mode(cpu);
}

static bool make_td(Guest *g, unsigned options)
{
    static const TdPort port = {shared_page, now_ns};
    static const LapicPort lapic_port = {.notify = no_notify};
    static Profile narrowed;
    const Profile *profile = &narrowed;
    narrowed = *profile_builtin();
    narrowed.kvm_xss |= options & OPTION_CET ? XFAM_CET : 0;
    profile_narrow(&narrowed, NULL, 0);
    TdParams params = {
        .xfam = profile_executable_xfam(profile),
        .eptp_controls = options & OPTION_GPAW_52 ? 0x26 : 0x1e,
        .config_flags = TD_FLAG_NO_RBP_MOD | (options & OPTION_GPAW_52 ? TD_FLAG_GPAW : 0),
        .max_vcpus = 1, .tsc_frequency = 40,
        .attributes = options & OPTION_PENDING_VE ? 0 : TD_ATTR_SEPT_VE_DISABLE,
    };
    TdxSysInfo info;
    const CpuidTable *table = module_cpuid_table(profile);
    tdx_sys_info(profile, &info);
    for (unsigned i = 0; i < table->num_rows; i++) {
        for (unsigned r = 0; table->rows[i].config >= 0 && r < 4; r++) {
            params.cpuid_config[table->rows[i].config][r] =
                info.cpuid_config[table->rows[i].config].mask[r] & ~table->rows[i].direct[r];
        }
    }
    lapic_init(&g->lapic, 0, &lapic_port, NULL);
    g->td = td_new(profile, &port, g);
    if (!g->td || td_init(g->td, &params, NULL)) {
        abort();
    }
    g->vcpu = td_vcpu_new(g->td, &g->lapic, NULL);
    return g->vcpu && td_vp_init(g->vcpu, 0, 0) == TDX_SUCCESS;
}

static void check(const Guest *g, const TdExit *exit)
{
    const Cpu *cpu = td_vcpu_cpu(g->vcpu);
    if (cpu->regs[GPR_ZERO] || !(cpu->rflags & 2) || cpu->cpl > 3 ||
        exit->kind > TD_EXIT_NON_RECOVERABLE ||
        (exit->kind == TD_EXIT_UNSUPPORTED && !cpu->unsupported[0])) {
        abort();
    }
}

/* false: the guest cannot go on. */
static bool answer(Guest *g, const TdExit *exit)
{
    Cpu *cpu = td_vcpu_cpu(g->vcpu);
    uint64_t regs[16];
    switch (exit->kind) {
    case TD_EXIT_VMCALL:
        for (unsigned i = 0; i < 16; i++) {
            regs[i] = next(g);
        }
        td_vmcall_return(g->vcpu, regs);
        if (cpu->cpl == 0 && (next(g) & 3)) {
            set_registers(g, cpu);
            cpu->rip = AT_CODE + (next(g) & 0x3f);
        }
        return true;
    case TD_EXIT_EPT_VIOLATION:
        return !exit->shared && exit->gpa < UINT64_C(0x1000000) &&
               td_page_aug(g->td, exit->gpa) == TDX_SUCCESS;
    default:
        return false;
    }
}

static void enter(Guest *g)
{
    struct itimerval on = {.it_interval.tv_usec = TICK_US, .it_value.tv_usec = TICK_US}, off = {0};
    char text[4096];
    running = td_vcpu_cpu(g->vcpu);
    setitimer(ITIMER_REAL, &on, NULL);
    for (unsigned i = 0; i < MAX_ENTRIES; i++) {
        TdExit exit = {.kind = TD_EXIT_NON_RECOVERABLE};
        if (td_vp_enter(g->vcpu, &exit)) {
            break;
        }
        check(g, &exit);
        if (!answer(g, &exit)) {
            break;
        }
    }
    setitimer(ITIMER_REAL, &off, NULL);
    running = NULL;
    td_vcpu_describe(g->vcpu, text, sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Guest guest;
    static uint8_t memory[AT_END];
    Input in = {data, size};
    Guest *g = &guest;
    unsigned mode, options;
    signal(SIGALRM, tick);
    memset(g, 0, sizeof(*g));
    memset(memory, 0, sizeof(memory));
    mode = take(&in) % MODES;
    options = take(&in);
    g->seed = take64(&in);
    build_tables(memory);
    build_handlers(memory);
    if (options & OPTION_CET) {
        build_shadow(memory);
    }
    patch_tables(memory, &in);
    if (mode == MODE_TDCALL) {
        for (unsigned i = 0; i + 4 <= 64; i += 4) {
            memcpy(memory + AT_CODE + i, "\x66\x0f\x01\xcc", 4);
        }
        memcpy(memory + AT_CODE + 64, in.data, in.size < MAX_CODE ? in.size : MAX_CODE);
    } else {
        memcpy(memory + AT_CODE, in.data, in.size < MAX_CODE ? in.size : MAX_CODE);
    }
    if (!make_td(g, options)) {
        abort();
    }
    for (unsigned page = 0; page < AT_END; page += 4096) {
        if (td_page_add(g->td, page, memory + page)) {
            abort();
        }
    }
    if (td_mr_finalize(g->td)) {
        abort();
    }
    set_state(g, td_vcpu_cpu(g->vcpu), mode, options);
    if (mode == MODE_TDCALL) {
        td_vcpu_cpu(g->vcpu)->regs[GPR_RAX] = g->seed >> 3 & 0x1f;
    }
    enter(g);
    td_vcpu_free(g->vcpu);
    td_free(g->td);
    return 0;
}
