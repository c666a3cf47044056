/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What takes translations away and what must not give wrong ones: PCIDs, global pages, INVLPG,
 * INVPCID, moves to CR3 and CR4 (Intel SDM vol. 3, 4.10; vol. 2, INVPCID, MOV to control
 * registers).
 */
#include "program.h"
#include "swtdx/host/cpu/walk.h"

#define PGE CR4_PGE
#define PCIDE CR4_PCIDE
#define KEEP (UINT64_C(1) << 63)
#define GLOBAL UINT64_C(0x100)
#define AT_OTHER (AT_DATA + 0x2000)  /* where the page's entry leads after its change */
#define AT_DESCRIPTOR 0x48000
#define AT_PML4_2 0x50000            /* a second tree, AT_DATA leads to AT_OTHER there */

/*
 * Each loads, changes the page's entry at RSI to RDI, does one thing with RAX and RDX, loads again
 * into R9.
 */
#define AROUND(name, text) \
    PROGRAM64(name, "mov (%rbx), %r8\n mov %rdi, (%rsi)\n" text "\n mov (%rbx), %r9\n hlt")
AROUND(nothing, "nop");
AROUND(invlpg, "invlpg (%rbx)");
AROUND(invlpg_other, "invlpg (%rdx)");
AROUND(invpcid, "invpcid (%rdx), %rax");
AROUND(to_cr3, "mov %rax, %cr3");
AROUND(to_cr3_and_back, "mov %cr3, %rcx\n mov %rax, %cr3\n mov %rcx, %cr3");
AROUND(toggle_cr4,
       "mov %cr4, %rcx\n mov %rcx, %rdx\n xor %rax, %rcx\n mov %rcx, %cr4\n mov %rdx, %cr4");
AROUND(to_cr4, "mov %cr4, %rcx\n xor %rax, %rcx\n mov %rcx, %cr4");

typedef enum Seen { OLD, NEW, EITHER } Seen;
/*
 * OLD is asked only where a guest may rely on it that the soft TLB keeps what is global: without,
 * each switch costs a walk.
 */
static const struct {
    const char *label;
    const uint8_t *code, *end;
    uint64_t cr4, entry;        /* more bits of them */
    uint64_t rax;
    uint64_t descriptor[2];     /* of INVPCID */
    Seen seen;
} flushes[] = {
#define P(name) name, name##_end
    { "nothing", P(nothing), 0, 0, 0, { 0 }, OLD },
    { "INVLPG", P(invlpg), 0, 0, 0, { 0 }, NEW },
    { "INVLPG of a global page", P(invlpg), PGE, GLOBAL, 0, { 0 }, NEW },
    { "INVLPG with PCIDs", P(invlpg), PCIDE, 0, 0, { 0 }, NEW },
    { "INVLPG of another page", P(invlpg_other), 0, 0, 0, { 0 }, EITHER },
    { "CR3", P(to_cr3), 0, 0, AT_PML4, { 0 }, NEW },
    { "CR3, global page", P(to_cr3), PGE, GLOBAL, AT_PML4, { 0 }, OLD },
    { "CR3, G without PGE", P(to_cr3), 0, GLOBAL, AT_PML4, { 0 }, NEW },
    { "CR3, same PCID", P(to_cr3), PCIDE, 0, AT_PML4, { 0 }, NEW },
    { "CR3, same PCID, keep", P(to_cr3), PCIDE, 0, AT_PML4 | KEEP, { 0 }, EITHER },
    { "CR3, same PCID, global page", P(to_cr3), PGE | PCIDE, GLOBAL, AT_PML4, { 0 }, OLD },
    { "CR3, another PCID and back", P(to_cr3_and_back), PCIDE, 0, AT_PML4 | 5, { 0 }, NEW },
    { "CR3, another PCID and back, global page", P(to_cr3_and_back), PGE | PCIDE, GLOBAL,
      AT_PML4 | 5 | KEEP, { 0 }, OLD },
    { "INVPCID 0", P(invpcid), PCIDE, 0, 0, { 0, AT_DATA + 8 }, NEW },
    { "INVPCID 0, PCIDs off", P(invpcid), 0, 0, 0, { 0, AT_DATA }, NEW },
    { "INVPCID 0, global page", P(invpcid), PGE | PCIDE, GLOBAL, 0, { 0, AT_DATA }, EITHER },
    { "INVPCID 0 of another PCID", P(invpcid), PCIDE, 0, 0, { 7, AT_DATA }, EITHER },
    { "INVPCID 1", P(invpcid), PCIDE, 0, 1, { 0 }, NEW },
    { "INVPCID 1, PCIDs off", P(invpcid), 0, 0, 1, { 0 }, NEW },
    { "INVPCID 1, global page", P(invpcid), PGE | PCIDE, GLOBAL, 1, { 0 }, OLD },
    { "INVPCID 1, address not canonical: not looked at", P(invpcid), PCIDE, 0, 1,
      { 0, UINT64_C(1) << 50 }, NEW },
    { "INVPCID 2", P(invpcid), PCIDE, 0, 2, { 0 }, NEW },
    { "INVPCID 2, global page", P(invpcid), PGE | PCIDE, GLOBAL, 2, { 0 }, NEW },
    { "INVPCID 2, PCIDs off, PCID given", P(invpcid), PGE, GLOBAL, 2, { 9 }, NEW },
    { "INVPCID 3", P(invpcid), PCIDE, 0, 3, { 0 }, NEW },
    { "INVPCID 3, global page", P(invpcid), PGE | PCIDE, GLOBAL, 3, { 0 }, OLD },
    { "CR4.PGE to and fro", P(toggle_cr4), PGE, GLOBAL, PGE, { 0 }, NEW },
    { "CR4.PGE on", P(to_cr4), 0, GLOBAL, PGE, { 0 }, NEW },
    { "CR4.PCIDE off", P(to_cr4), PGE | PCIDE, GLOBAL, PCIDE, { 0 }, NEW },
    { "CR4.SMEP on", P(to_cr4), 0, 0, CR4_SMEP, { 0 }, NEW },
    { "CR4.OSXSAVE on", P(to_cr4), 0, 0, CR4_OSXSAVE, { 0 }, EITHER },
};

static void start(Machine *m, const uint8_t *code, const uint8_t *end)
{
    machine_long(m);
    machine_code(m, AT_CODE, code, (size_t)(end - code));
    machine_set_word(m, AT_DATA, 1);
    machine_set_word(m, AT_OTHER, 2);
    for (unsigned at = AT_CODE; at < AT_DATA; at += 0x1000) {
        *machine_pte(m, at) &= ~UINT64_C(
            4); /* code and stacks are the supervisor's: SMEP may come on */
    }
    m->cpu->regs[GPR_RBX] = AT_DATA;
    m->cpu->regs[GPR_RDX] = AT_DESCRIPTOR;
}

static void test_flushes(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(flushes); i++) {
        g_autoptr(Machine) m = machine_new();
        uint64_t *regs = m->cpu->regs;
        g_test_message("%s", flushes[i].label);
        start(m, flushes[i].code, flushes[i].end);
        m->cpu->cr4 |= flushes[i].cr4;
        cpu_update_mode(m->cpu);
        *machine_pte(m, AT_DATA) |= flushes[i].entry;
        machine_set_word(m, AT_DESCRIPTOR, flushes[i].descriptor[0]);
        machine_set_word(m, AT_DESCRIPTOR + 8, flushes[i].descriptor[1]);
        regs[GPR_RAX] = flushes[i].rax;
        regs[GPR_RSI] = AT_PT + (AT_DATA >> 12) * 8;
        regs[GPR_RDI] = AT_OTHER | 7 | flushes[i].entry;
        g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
        g_assert_cmphex(m->cpu->rip, <, AT_CODE + 0x100);
        g_assert_cmpuint(regs[GPR_R8], ==, 1);
        if (flushes[i].seen == EITHER) {
            g_assert_true(regs[GPR_R9] == 1 || regs[GPR_R9] == 2);
        } else {
            g_assert_cmpuint(regs[GPR_R9], ==, flushes[i].seen == NEW ? 2 : 1);
        }
    }
}

PROGRAM64(only_invpcid, "invpcid (%rdx), %rax\n hlt");
PROGRAM64(only_cr3, "mov %rax, %cr3\n mov %cr3, %rcx\n hlt");
PROGRAM64(only_cr4, "mov %cr4, %rcx\n xor %rax, %rcx\n mov %rcx, %cr4\n hlt");
PROGRAM64(only_cr0, "mov %cr0, %rcx\n xor %rax, %rcx\n mov %rcx, %cr0\n hlt");

enum { FINE = -1 };
static const struct {
    const char *label;
    const uint8_t *code, *end;
    uint64_t cr4, cr3;
    uint64_t rax;
    uint64_t descriptor[2];
    int vector;
    uint64_t rcx;               /* after it, where it is fine and not 0 */
} faults[] = {
    { "INVPCID type 4", P(only_invpcid), PCIDE, 0, 4, { 0 }, VEC_GP, 0 },
    { "INVPCID type 100000000h", P(only_invpcid), PCIDE, 0, UINT64_C(1) << 32, { 0 }, VEC_GP, 0 },
    { "INVPCID descriptor bit 12", P(only_invpcid), PCIDE, 0, 2, { 0x1000 }, VEC_GP, 0 },
    { "INVPCID descriptor bit 63", P(only_invpcid), PCIDE, 0, 3, { KEEP }, VEC_GP, 0 },
    { "INVPCID 0, not canonical", P(only_invpcid), PCIDE, 0, 0, { 0, UINT64_C(1) << 47 }, VEC_GP,
      0 },
    { "INVPCID 0, PCID 1, PCIDs off", P(only_invpcid), 0, 0, 0, { 1 }, VEC_GP, 0 },
    { "INVPCID 1, PCID 1, PCIDs off", P(only_invpcid), 0, 0, 1, { 1 }, VEC_GP, 0 },
    { "INVPCID 1, PCID FFFh", P(only_invpcid), PCIDE, 0, 1, { 0xfff }, FINE, 0 },
    { "INVPCID 3, PCID 1, PCIDs off", P(only_invpcid), 0, 0, 3, { 1 }, FINE, 0 },
    { "CR3 bit 63, PCIDs off", P(only_cr3), 0, 0, AT_PML4 | KEEP, { 0 }, VEC_GP, 0 },
    { "CR3 bit 62", P(only_cr3), PCIDE, 0, AT_PML4 | UINT64_C(1) << 62, { 0 }, VEC_GP, 0 },
    { "CR3 beyond the physical width", P(only_cr3), PCIDE, 0, AT_PML4 | UINT64_C(1) << 46, { 0 },
      VEC_GP, 0 },
    { "CR3 bit 63 is not read back", P(only_cr3), PCIDE, 0, AT_PML4 | KEEP | 0x123, { 0 }, FINE,
      AT_PML4 | 0x123 },
    { "CR4.PCIDE with PCID bits in CR3", P(only_cr4), 0, AT_PML4 | 8, PCIDE, { 0 }, VEC_GP, 0 },
    { "CR4.PCIDE", P(only_cr4), 0, AT_PML4, PCIDE, { 0 }, FINE, 0 },
    { "CR4.PCIDE off with a PCID", P(only_cr4), PCIDE, AT_PML4 | 0x18, PCIDE, { 0 }, FINE, 0 },
    { "CR4.LA57 in 64-bit mode", P(only_cr4), 0, 0, CR4_LA57, { 0 }, VEC_GP, 0 },
    { "CR4.PAE off in 64-bit mode", P(only_cr4), 0, 0, CR4_PAE, { 0 }, VEC_GP, 0 },
    { "CR0.PG off with PCIDs", P(only_cr0), PCIDE, 0, CR0_PG, { 0 }, VEC_GP, 0 },
};

static void test_faults(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autoptr(Machine) m = machine_new();
        uint64_t cr3, cr4;
        g_test_message("%s", faults[i].label);
        start(m, faults[i].code, faults[i].end);
        m->cpu->cr4 |= faults[i].cr4;
        m->cpu->cr3 = faults[i].cr3 ? faults[i].cr3 : m->cpu->cr3;
        cpu_update_mode(m->cpu);
        cr3 = m->cpu->cr3;
        cr4 = m->cpu->cr4;
        machine_set_word(m, AT_DESCRIPTOR, faults[i].descriptor[0]);
        machine_set_word(m, AT_DESCRIPTOR + 8, faults[i].descriptor[1]);
        m->cpu->regs[GPR_RAX] = faults[i].rax;
        g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
        if (faults[i].vector == FINE) {
            g_assert_cmphex(m->cpu->rip, <, AT_CODE + 0x100);
            g_assert_true(!faults[i].rcx || m->cpu->regs[GPR_RCX] == faults[i].rcx);
            continue;
        }
        g_assert_cmphex(m->cpu->rip, ==, machine_handler((unsigned)faults[i].vector));
        g_assert_cmphex(machine_word(m, m->cpu->regs[GPR_RSP]), ==, 0);
        g_assert_cmphex(m->cpu->cr3, ==, cr3);
        g_assert_cmphex(m->cpu->cr4, ==, cr4);
    }
}

/* ---- rights that change without a flush ---- */

PROGRAM64(load_pkru_load,
          "mov (%rbx), %r8\n xor %ecx, %ecx\n xor %edx, %edx\n wrpkru\n mov (%rbx), %r9\n hlt");
PROGRAM64(store_pkru_store,
          "mov %r8, (%rbx)\n xor %ecx, %ecx\n xor %edx, %edx\n wrpkru\n mov %r8, (%rbx)\n hlt");
PROGRAM64(load_pkrs_load,
          "mov (%rbx), %r8\n mov $0x6e1, %ecx\n xor %edx, %edx\n wrmsr\n mov (%rbx), %r9\n hlt");
PROGRAM64(store_pkrs_store,
          "mov %r8, (%rbx)\n mov $0x6e1, %ecx\n xor %edx, %edx\n wrmsr\n mov %r8, (%rbx)\n hlt");
PROGRAM64(stac_clac, "stac\n mov (%rbx), %r8\n clac\n mov (%rbx), %r9\n hlt");
PROGRAM64(store_wp_store, "mov %r8, (%rbx)\n mov %cr0, %rcx\n xor %rax, %rcx\n mov %rcx, %cr0\n "
                          "mov %r8, (%rbx)\n hlt");

/*
 * The first access is good and leaves a translation; the second is refused by what was changed
 * between them.
 */
static void test_rights(void)
{
    static const struct {
        const char *label;
        const uint8_t *code, *end;
        uint64_t cr4, entry, rax;
        uint64_t error;         /* of the #PF; 0: none, both are good */
    } rows[] = {
        { "PKRU: no access", P(load_pkru_load), CR4_PKE, 7 | UINT64_C(1) << 59, 4, PF_P | PF_PK },
        { "PKRU: no write", P(store_pkru_store), CR4_PKE, 7 | UINT64_C(1) << 59, 8,
          PF_P | PF_PK | PF_W },
        { "PKRU: no write, read", P(load_pkru_load), CR4_PKE, 7 | UINT64_C(1) << 59, 8, 0 },
        { "PKRU: another key", P(load_pkru_load), CR4_PKE, 7 | UINT64_C(2) << 59, 4, 0 },
        { "PKRS: no access", P(load_pkrs_load), CR4_PKS, 3 | UINT64_C(1) << 59, 4, PF_P | PF_PK },
        { "PKRS: no write", P(store_pkrs_store), CR4_PKS, 3 | UINT64_C(1) << 59, 8,
          PF_P | PF_PK | PF_W },
        { "PKRS: user page", P(load_pkrs_load), CR4_PKS, 7 | UINT64_C(1) << 59, 4, 0 },
        { "CLAC", P(stac_clac), CR4_SMAP, 7, 0, PF_P },
        { "CR0.WP", P(store_wp_store), 0, 1, CR0_WP, PF_P | PF_W },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        g_test_message("%s", rows[i].label);
        start(m, rows[i].code, rows[i].end);
        m->cpu->cr4 |= rows[i].cr4;
        m->cpu->cr0 &= ~(rows[i].rax & CR0_WP);
        for (unsigned at = 0; at < AT_TABLES; at += 0x1000) {
            *machine_pte(m, at) &= ~UINT64_C(
                4); /* the IDT and its like are the supervisor's, for SMAP */
        }
        *machine_pte(m, AT_DATA) = AT_DATA | rows[i].entry;
        cpu_update_mode(m->cpu);
        m->cpu->regs[GPR_RAX] = rows[i].rax;
        g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
        if (!rows[i].error) {
            g_assert_cmphex(m->cpu->rip, <, AT_CODE + 0x100);
            continue;
        }
        g_assert_cmphex(m->cpu->rip, ==, machine_handler(VEC_PF));
        g_assert_cmphex(machine_word(m, m->cpu->regs[GPR_RSP]), ==, rows[i].error);
        g_assert_cmphex(m->cpu->cr2, ==, AT_DATA);
        /* not the first one */
        g_assert_cmphex(machine_word(m, m->cpu->regs[GPR_RSP] + 8), >, AT_CODE);
    }
}

/* ---- two address spaces ---- */

/* Goes to and fro between the spaces R12 and R13, adding what it sees at RBX to R8 and R9. */
PROGRAM64(to_and_fro, "again:\n mov %r12, %cr3\n add (%rbx), %r8\n mov %r13, %cr3\n add (%rbx), "
                      "%r9\n dec %ecx\n jnz again\n hlt");

static void second_tree(Machine *m)
{
    for (unsigned level = 0; level < 3; level++) {
        machine_set_word(m, AT_PML4_2 + level * 0x1000, (AT_PML4_2 + (level + 1) * 0x1000) | 7);
    }
    memcpy(m->ram + AT_PML4_2 + 0x3000, m->ram + AT_PT, 4096);
    machine_set_word(m, AT_PML4_2 + 0x3000 + (AT_DATA >> 12) * 8, AT_OTHER | 7);
}

/*
 * The same linear address in two spaces, with the same and with other PCIDs, keeping or not: each
 * sees its own page.
 */
static void test_spaces(void)
{
    static const struct {
        const char *label;
        uint64_t cr4, first, second;
    } ways[] = {
        { "no PCIDs", 0, AT_PML4, AT_PML4_2 },
        { "no PCIDs, global pages on", PGE, AT_PML4, AT_PML4_2 },
        { "PCIDs", PCIDE, AT_PML4 | 1, AT_PML4_2 | 2 },
        { "PCIDs, keep", PCIDE, AT_PML4 | 1 | KEEP, AT_PML4_2 | 2 | KEEP },
        { "PCIDs, keep, global pages on", PGE | PCIDE, AT_PML4 | 0xfff | KEEP, AT_PML4_2 | KEEP },
        { "one PCID, not kept", PCIDE, AT_PML4 | 3, AT_PML4_2 | 3 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autoptr(Machine) m = machine_new();
        g_test_message("%s", ways[i].label);
        start(m, P(to_and_fro));
        second_tree(m);
        m->cpu->cr4 |= ways[i].cr4;
        cpu_update_mode(m->cpu);
        m->cpu->regs[GPR_R12] = ways[i].first;
        m->cpu->regs[GPR_R13] = ways[i].second;
        m->cpu->regs[GPR_RCX] = 100;
        g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
        g_assert_cmpuint(m->cpu->regs[GPR_R8], ==, 100);
        g_assert_cmpuint(m->cpu->regs[GPR_R9], ==, 200);
    }
}

/*
 * Code too: the same address leads to other instructions in the other space, although a block of it
 * is known.
 */
PROGRAM64(calls, "more:\n mov %r12, %cr3\n call *%rbx\n mov %r13, %cr3\n call *%rbx\n dec %ecx\n "
                 "jnz more\n hlt");
PROGRAM64(add_1, "add $1, %r8\n ret");
PROGRAM64(add_1000, "add $1000, %r8\n ret");

static void run_calls(uint64_t cr4, bool caller_global)
{
    g_autoptr(Machine) m = machine_new();
    uint64_t caller = AT_PT + (AT_CODE >> 12) * 8;
    start(m, P(calls));
    if (caller_global) {
        machine_set_word(m, caller, machine_word(m, caller) | 1u << 8);
    }
    second_tree(m);
    LOAD(m, AT_DATA, add_1);
    LOAD(m, AT_OTHER, add_1000);
    m->cpu->cr4 |= cr4;
    cpu_update_mode(m->cpu);
    m->cpu->regs[GPR_R12] = AT_PML4 | (cr4 & PCIDE ? 1 | KEEP : 0);
    m->cpu->regs[GPR_R13] = AT_PML4_2 | (cr4 & PCIDE ? 2 | KEEP : 0);
    m->cpu->regs[GPR_RCX] = 100;
    g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
    g_assert_cmpuint(m->cpu->regs[GPR_R8], ==, 100 * 1001);
}

/*
 * With global pages on, what supervisor code knows of its jumps stays, unless its pages are not
 * global either.
 */
static void test_code_in_spaces(void)
{
    run_calls(0, false);
    run_calls(PCIDE, false);
    run_calls(PGE, false);
    run_calls(PGE, true);
    run_calls(PGE | PCIDE, false);
    run_calls(PGE | PCIDE, true);
}

/* INVLPG between two calls of one address, whose page is another one each time, global or not. */
PROGRAM64(
    replaced,
    "again_:\n call *%rbx\n mov %rdi, (%rsi)\n invlpg (%rbx)\n call *%rbx\n mov %r14, (%rsi)\n"
    "invlpg (%rbx)\n dec %ecx\n jnz again_\n hlt");

static void test_code_replaced(void)
{
    for (unsigned global = 0; global < 2; global++) {
        g_autoptr(Machine) m = machine_new();
        start(m, P(replaced));
        LOAD(m, AT_DATA, add_1);
        LOAD(m, AT_OTHER, add_1000);
        m->cpu->cr4 |= PGE;
        cpu_update_mode(m->cpu);
        *machine_pte(m, AT_DATA) |= global ? GLOBAL : 0;
        *machine_pte(m, AT_CODE) |= GLOBAL;
        m->cpu->regs[GPR_RSI] = AT_PT + (AT_DATA >> 12) * 8;
        m->cpu->regs[GPR_RDI] = AT_OTHER | 7 | (global ? GLOBAL : 0);
        m->cpu->regs[GPR_R14] = AT_DATA | 7 | (global ? GLOBAL : 0);
        m->cpu->regs[GPR_RCX] = 100;
        g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
        g_assert_cmpuint(m->cpu->regs[GPR_R8], ==, 100 * 1001);
    }
}

/*
 * REP MOVSB between pages that are one and the same, or not: byte by byte in effect, whatever is
 * copied at once.
 */
PROGRAM64(copies, "rep movsb\n hlt");

static void test_aliases(void)
{
    enum { ALIAS = AT_DATA + 0x5000, LENGTH = 0x400 };
    static const struct {
        const char *label;
        uint64_t from, to;
        unsigned period; /* of what stands at `to` then; 0: as at `from` */
    } rows[] = {
        {"another page, same offset", AT_DATA, AT_OTHER, 0},
        {"another page, one byte on", AT_DATA, AT_OTHER + 1, 0},
        {"another page, one byte back", AT_DATA + 1, AT_OTHER, 0},
        {"alias, same offset", AT_DATA, ALIAS, 0},
        {"alias, one byte on", AT_DATA, ALIAS + 1, 1},
        {"alias, 100 bytes on", AT_DATA, ALIAS + 100, 100},
        {"alias, one byte back", AT_DATA + 1, ALIAS, 0},
        {"seven bytes on", AT_DATA, AT_DATA + 7, 7},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        uint8_t before[LENGTH];
        g_test_message("%s", rows[i].label);
        start(m, P(copies));
        *machine_pte(m, ALIAS) = AT_DATA | 7;
        for (unsigned k = 0; k < 0x1000; k++) {
            m->ram[AT_DATA + k] = (uint8_t)(k * 7 + k / 256);
        }
        memcpy(before, m->ram + rows[i].from, LENGTH);
        m->cpu->regs[GPR_RSI] = rows[i].from;
        m->cpu->regs[GPR_RDI] = rows[i].to;
        m->cpu->regs[GPR_RCX] = LENGTH;
        g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
        const uint8_t *after = m->ram +
                               (rows[i].to >= ALIAS ? rows[i].to - ALIAS + AT_DATA : rows[i].to);
        for (unsigned k = 0; k < LENGTH; k++) {
            g_assert_cmphex(after[k], ==, before[rows[i].period ? k % rows[i].period : k]);
        }
    }
}

/* INVLPG of one address in a page of 2 MiB takes what is known of the others, too. */
static void test_large(void)
{
    enum { LARGE = 0x200000, AT_PT_2 = 0x58000 };
    for (unsigned global = 0; global < 2; global++) {
        g_autoptr(Machine) m = machine_new();
        uint64_t entry = AT_PD + (LARGE >> 21) * 8;
        start(m, P(invlpg_other));
        m->cpu->cr4 |= PGE;
        cpu_update_mode(m->cpu);
        memcpy(m->ram + AT_PT_2, m->ram + AT_PT, 4096);
        machine_set_word(m, AT_PT_2 + (AT_DATA >> 12) * 8, AT_OTHER | 7);
        machine_set_word(m, entry, 0x87 | (global ? GLOBAL : 0)); /* the first 2 MiB once more */
        m->cpu->regs[GPR_RBX] = LARGE + AT_DATA;
        m->cpu->regs[GPR_RDX] = LARGE + 0x1000;
        m->cpu->regs[GPR_RSI] = entry;
        m->cpu->regs[GPR_RDI] = AT_PT_2 | 7;
        g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
        g_assert_cmpuint(m->cpu->regs[GPR_R8], ==, 1);
        g_assert_cmpuint(m->cpu->regs[GPR_R9], ==, 2);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tlb/flushes", test_flushes);
    g_test_add_func("/tlb/faults", test_faults);
    g_test_add_func("/tlb/rights", test_rights);
    g_test_add_func("/tlb/spaces", test_spaces);
    g_test_add_func("/tlb/code-in-spaces", test_code_in_spaces);
    g_test_add_func("/tlb/code-replaced", test_code_replaced);
    g_test_add_func("/tlb/large", test_large);
    g_test_add_func("/tlb/aliases", test_aliases);
    return g_test_run();
}
