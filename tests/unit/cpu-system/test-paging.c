/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page walks, rights, accessed and dirty bits, accesses that cross pages, flushes. */
#include "machine.h"
#include "swtdx/host/cpu/group.h"
#include "swtdx/host/cpu/walk.h"

#define NX (UINT64_C(1) << 63)
#define SMEP (1u << 0)
#define SMAP (1u << 1)
#define NO_WP (1u << 2)
#define AC (1u << 3)
#define USER (1u << 4)
#define PKE (1u << 5)
#define NO_NXE (1u << 6)
#define PKS (1u << 7)

typedef struct Access {
    uint64_t linear;
    CpuAccess kind;
    uint8_t bytes[16];
    size_t n;
} Access;

static void access_body(Cpu *cpu, void *opaque)
{
    Access *a = opaque;
    uint64_t gpa;
    if (a->kind == CPU_FETCH) {
        mmu_fetch(cpu, a->linear, a->bytes, a->n, &gpa);
    } else if (a->kind == CPU_WRITE) {
        mmu_write(cpu, NULL, a->linear, a->bytes, a->n);
    } else {
        mmu_read(cpu, NULL, a->linear, a->bytes, a->n);
    }
}

static bool do_access(Machine *m, uint64_t linear, CpuAccess kind, size_t n)
{
    Access a = { .linear = linear, .kind = kind, .n = n, .bytes = { 1, 2, 3, 4, 5, 6, 7, 8 } };
    return !machine_raises(m, access_body, &a);
}

static void set_up(Machine *m, unsigned how)
{
    Cpu *cpu = m->cpu;
    machine_long(m);
    cpu->cr4 |= (how & SMEP ? CR4_SMEP : 0) | (how & SMAP ? CR4_SMAP : 0) |
                (how & PKE ? CR4_PKE : 0) | (how & PKS ? CR4_PKS : 0);
    cpu->cr0 &= ~(uint64_t)(how & NO_WP ? CR0_WP : 0);
    cpu->rflags |= how & AC ? FLAG_AC : 0;
    cpu->efer &= ~(uint64_t)(how & NO_NXE ? EFER_NXE : 0);
    cpu->cpl = how & USER ? 3 : 0;
    cpu->pkru = 0x8 << 2 | 0x4; /* key 1: no access; key 2: no write */
    cpu->pkrs = how & PKS ? 0x8 << 2 | 0x4 : 0;
    cpu_update_mode(cpu);
}

#define OK 0xffffffff

/* The page's entry, where it stands (0 PTE .. 3 PML4E), who accesses how, and the error code. */
static const struct {
    const char *label;
    uint64_t entry;
    unsigned level;
    unsigned how;
    CpuAccess access;
    uint32_t error;
} walks[] = {
    { "plain read", AT_DATA | 7, 0, 0, CPU_READ, OK },
    { "plain write", AT_DATA | 7, 0, 0, CPU_WRITE, OK },
    { "plain fetch", AT_DATA | 7, 0, 0, CPU_FETCH, OK },
    { "shared bit is an address bit", AT_DATA | 7 | SHARED_BIT, 0, 0, CPU_READ, OK },
    { "user reads user page", AT_DATA | 7, 0, USER, CPU_READ, OK },
    { "not present", AT_DATA | 6, 0, 0, CPU_READ, 0 },
    { "not present, write", AT_DATA | 6, 0, 0, CPU_WRITE, PF_W },
    { "not present, user", AT_DATA | 6, 0, USER, CPU_READ, PF_U },
    { "not present, fetch", AT_DATA | 6, 0, 0, CPU_FETCH, PF_I },
    { "not present, fetch, NXE off", AT_DATA | 6, 0, NO_NXE, CPU_FETCH, 0 },
    { "not present, fetch, SMEP only", AT_DATA | 6, 0, NO_NXE | SMEP, CPU_FETCH, PF_I },
    { "not present with reserved bits", (AT_DATA | 6 | UINT64_C(1) << 50), 0, 0, CPU_READ, 0 },
    { "PD not present", AT_PT | 6, 1, 0, CPU_READ, 0 },
    { "PDPT not present", AT_PD | 6, 2, 0, CPU_READ, 0 },
    { "PML4 not present", AT_PDPT | 6, 3, 0, CPU_WRITE, PF_W },
    { "read-only, supervisor write", AT_DATA | 5, 0, 0, CPU_WRITE, PF_P | PF_W },
    { "read-only, supervisor write, WP off", AT_DATA | 5, 0, NO_WP, CPU_WRITE, OK },
    { "read-only, user write, WP off", AT_DATA | 5, 0, NO_WP | USER, CPU_WRITE,
      PF_P | PF_W | PF_U },
    { "read-only above", AT_PT | 5, 1, 0, CPU_WRITE, PF_P | PF_W },
    { "supervisor page, user", AT_DATA | 3, 0, USER, CPU_READ, PF_P | PF_U },
    { "supervisor above, user", AT_PT | 3, 1, USER, CPU_READ, PF_P | PF_U },
    { "NX fetch", AT_DATA | 7 | NX, 0, 0, CPU_FETCH, PF_P | PF_I },
    { "NX above, fetch", AT_PT | 7 | NX, 1, 0, CPU_FETCH, PF_P | PF_I },
    { "NX read", AT_DATA | 7 | NX, 0, 0, CPU_READ, OK },
    { "NX is reserved without NXE", AT_DATA | 7 | NX, 0, NO_NXE, CPU_READ, PF_P | PF_RSVD },
    { "reserved address bit 46", AT_DATA | 7 | UINT64_C(1) << 46, 0, 0, CPU_READ, PF_P | PF_RSVD },
    { "reserved address bit 51", AT_DATA | 7 | UINT64_C(1) << 51, 0, USER, CPU_WRITE,
      PF_P | PF_RSVD | PF_W | PF_U },
    { "reserved bit in PD entry", AT_PT | 7 | UINT64_C(1) << 48, 1, 0, CPU_READ, PF_P | PF_RSVD },
    { "large page, address bit 13", 0x2000 | 0x87, 1, 0, CPU_READ, PF_P | PF_RSVD },
    { "large page", 0x87, 1, 0, CPU_READ, OK },
    { "1 GiB page", 0x87, 2, 0, CPU_READ, OK },
    { "1 GiB page, address bit 21", 0x200087, 2, 0, CPU_READ, PF_P | PF_RSVD },
    { "PS in PML4 entry", AT_PDPT | 0x87, 3, 0, CPU_READ, PF_P | PF_RSVD },
    { "SMEP, user page", AT_DATA | 7, 0, SMEP, CPU_FETCH, PF_P | PF_I },
    { "SMEP, supervisor page", AT_DATA | 3, 0, SMEP, CPU_FETCH, OK },
    { "SMEP, user fetch", AT_DATA | 7, 0, SMEP | USER, CPU_FETCH, OK },
    { "SMAP read", AT_DATA | 7, 0, SMAP, CPU_READ, PF_P },
    { "SMAP write", AT_DATA | 7, 0, SMAP, CPU_WRITE, PF_P | PF_W },
    { "SMAP with AC", AT_DATA | 7, 0, SMAP | AC, CPU_READ, OK },
    { "SMAP, supervisor page", AT_DATA | 3, 0, SMAP, CPU_READ, OK },
    { "SMAP does not stop users", AT_DATA | 7, 0, SMAP | USER, CPU_READ, OK },
    { "SMAP does not stop fetches", AT_DATA | 7, 0, SMAP, CPU_FETCH, OK },
    { "key 1 read", AT_DATA | 7 | UINT64_C(1) << 59, 0, PKE | USER, CPU_READ, PF_P | PF_U | PF_PK },
    { "key 1 read, supervisor", AT_DATA | 7 | UINT64_C(1) << 59, 0, PKE, CPU_READ, PF_P | PF_PK },
    { "key 1 without PKE", AT_DATA | 7 | UINT64_C(1) << 59, 0, USER, CPU_READ, OK },
    { "key 1 fetch", AT_DATA | 7 | UINT64_C(1) << 59, 0, PKE | USER, CPU_FETCH, OK },
    { "key 1 on a supervisor page", AT_DATA | 3 | UINT64_C(1) << 59, 0, PKE, CPU_READ, OK },
    { "key 2 write", AT_DATA | 7 | UINT64_C(2) << 59, 0, PKE | USER, CPU_WRITE,
      PF_P | PF_U | PF_PK | PF_W },
    { "key 2 read", AT_DATA | 7 | UINT64_C(2) << 59, 0, PKE | USER, CPU_READ, OK },
    { "key 2 write, read-only page", AT_DATA | 5 | UINT64_C(2) << 59, 0, PKE | USER, CPU_WRITE,
      PF_P | PF_U | PF_PK | PF_W },
    { "key 2 write, read-only page, WP off", AT_DATA | 5 | UINT64_C(2) << 59, 0, PKE | NO_WP,
      CPU_WRITE, OK },
    { "key 1 fetch, NX", AT_DATA | 7 | NX | UINT64_C(1) << 59, 0, PKE | USER, CPU_FETCH,
      PF_P | PF_U | PF_I },
    { "PKS: key 1 read, supervisor page", AT_DATA | 3 | UINT64_C(1) << 59, 0, PKS, CPU_READ,
      PF_P | PF_PK },
    { "PKS: key 1 read, user page", AT_DATA | 7 | UINT64_C(1) << 59, 0, PKS, CPU_READ, OK },
    { "PKS: key 1 read by user, supervisor page", AT_DATA | 3 | UINT64_C(1) << 59, 0, PKS | USER,
      CPU_READ, PF_P | PF_U },
    { "PKS: key 1 fetch", AT_DATA | 3 | UINT64_C(1) << 59, 0, PKS, CPU_FETCH, OK },
    { "PKS: key 2 read", AT_DATA | 3 | UINT64_C(2) << 59, 0, PKS, CPU_READ, OK },
    { "PKS: key 2 write", AT_DATA | 3 | UINT64_C(2) << 59, 0, PKS, CPU_WRITE, PF_P | PF_PK | PF_W },
    { "PKS: key 2 write, WP off", AT_DATA | 3 | UINT64_C(2) << 59, 0, PKS | NO_WP, CPU_WRITE, OK },
    { "PKS: key 1 write, WP off", AT_DATA | 3 | UINT64_C(1) << 59, 0, PKS | NO_WP, CPU_WRITE,
      PF_P | PF_PK | PF_W },
    { "PKS and PKE: key 3", AT_DATA | 3 | UINT64_C(3) << 59, 0, PKS | PKE, CPU_WRITE, OK },
    { "key 1 read, SMAP, PKS", AT_DATA | 7 | UINT64_C(1) << 59, 0, PKS | PKE | SMAP, CPU_READ,
      PF_P | PF_PK },
    { "key 2 write, supervisor, WP off", AT_DATA | 7 | UINT64_C(2) << 59, 0, PKE | NO_WP, CPU_WRITE,
      OK },
};

static void test_walks(void)
{
    for (unsigned la57 = 0; la57 < 2; la57++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(walks); i++) {
            g_autoptr(Machine) m = machine_new();
            uint64_t at[] = { AT_PT + (AT_DATA >> 12) * 8, AT_PD, AT_PDPT, AT_PML4 };
            bool good;
            set_up(m, walks[i].how);
            if (la57) {
                m->cpu->cr4 |= CR4_LA57;
                m->cpu->cr3 = AT_PML5;
            }
            machine_set_word(m, at[walks[i].level], walks[i].entry);
            good = do_access(m, AT_DATA + 0x10, walks[i].access, 8);
            g_test_message("%s", walks[i].label);
            if (walks[i].error == OK) {
                g_assert_true(good);
                continue;
            }
            g_assert_false(good);
            g_assert_cmpuint(m->cpu->raise_vector, ==, VEC_PF);
            g_assert_cmphex(m->cpu->raise_error, ==, walks[i].error);
            g_assert_cmphex(m->cpu->cr2, ==, AT_DATA + 0x10);
            g_assert_cmphex(*machine_pte(m, AT_DATA) & 0x60, ==,
                            walks[i].level ? 0 : walks[i].entry & 0x60);
        }
    }
}

static void test_accessed_dirty(void)
{
    g_autoptr(Machine) m = machine_new();
    set_up(m, 0);
    g_assert_true(do_access(m, AT_DATA, CPU_READ, 8));
    g_assert_cmphex(*machine_pte(m, AT_DATA) & 0x60, ==, 0x20);
    g_assert_cmphex(machine_word(m, AT_PD) & 0x60, ==, 0x20);
    g_assert_cmphex(machine_word(m, AT_PML4) & 0x60, ==, 0x20);
    g_assert_true(do_access(m, AT_DATA, CPU_WRITE, 8));
    g_assert_cmphex(*machine_pte(m, AT_DATA) & 0x60, ==, 0x60);
    g_assert_cmphex(machine_word(m, AT_PD) & 0x60, ==, 0x20);
    g_assert_true(do_access(m, AT_DATA + 0x1000, CPU_WRITE, 8));
    g_assert_cmphex(*machine_pte(m, AT_DATA + 0x1000) & 0x60, ==, 0x60);
}

static void test_crossing(void)
{
    g_autoptr(Machine) m = machine_new();
    set_up(m, 0);
    *machine_pte(m, AT_DATA + 0x1000) = 0x80000 | 7;
    g_assert_true(do_access(m, AT_DATA + 0xffd, CPU_WRITE, 8));
    g_assert_cmpuint(m->ram[AT_DATA + 0xffd], ==, 1);
    g_assert_cmpuint(m->ram[0x80004], ==, 8);

    *machine_pte(m, AT_DATA + 0x3000) = 0;
    g_assert_false(do_access(m, AT_DATA + 0x2ffd, CPU_WRITE, 8));
    g_assert_cmphex(m->cpu->cr2, ==, AT_DATA + 0x3000);
    g_assert_cmpuint(m->ram[AT_DATA + 0x2ffd], ==, 0);

    /* Between two addresses that are not neighbours: the end of the canonical half. */
    g_assert_false(do_access(m, UINT64_C(0x00007ffffffffffc), CPU_READ, 8));
    g_assert_false(do_access(m, UINT64_C(0x0000800000000000), CPU_READ, 1));
    g_assert_cmpuint(m->cpu->raise_vector, ==, VEC_GP);
}

static void test_stale(void)
{
    g_autoptr(Machine) m = machine_new();
    Cpu *cpu = m->cpu;
    set_up(m, 0);
    g_assert_true(do_access(m, AT_DATA, CPU_WRITE, 8));
    *machine_pte(m, AT_DATA) = 0;
    g_assert_true(do_access(m, AT_DATA, CPU_WRITE, 8)); /* TLB */
    mmu_flush_page(cpu, AT_DATA + 0x1000);
    g_assert_true(do_access(m, AT_DATA, CPU_WRITE, 8));
    mmu_flush_page(cpu, AT_DATA + 5);
    g_assert_false(do_access(m, AT_DATA, CPU_WRITE, 8));

    /* A global page outlives MOV CR3, not the rest. */
    cpu->cr4 |= CR4_PGE;
    *machine_pte(m, AT_DATA) = AT_DATA | 0x107;
    g_assert_true(do_access(m, AT_DATA, CPU_READ, 8));
    *machine_pte(m, AT_DATA) = 0;
    mmu_flush_nonglobal(cpu);
    g_assert_true(do_access(m, AT_DATA, CPU_READ, 8));
    mmu_flush_all(cpu);
    g_assert_false(do_access(m, AT_DATA, CPU_READ, 8));

    /* INVLPG anywhere in a large page takes all of it. */
    machine_set_word(m, AT_PD, 0x87);
    g_assert_true(do_access(m, AT_DATA, CPU_READ, 8));
    machine_set_word(m, AT_PD, 0);
    mmu_flush_page(cpu, 0x100000);
    g_assert_false(do_access(m, AT_DATA, CPU_READ, 8));
}

static void test_kinds(void)
{
    g_autoptr(Machine) m = machine_new();
    set_up(m, SMAP | AC);
    g_assert_true(do_access(m, AT_DATA, CPU_READ, 8));
    m->cpu->rflags &= ~(uint64_t)FLAG_AC;
    cpu_update_mode(m->cpu);
    /* the entry of the other kind does not help */
    g_assert_false(do_access(m, AT_DATA, CPU_READ, 8));
}

static void system_read(Cpu *cpu, void *opaque)
{
    uint64_t value;
    mmu_read_system(cpu, NULL, *(uint64_t *)opaque, &value, 8);
}

static void test_system_access(void)
{
    g_autoptr(Machine) m = machine_new();
    uint64_t at = AT_DATA;
    set_up(m, USER);
    *machine_pte(m, AT_DATA) = AT_DATA | 3;
    g_assert_false(do_access(m, at, CPU_READ, 8));
    g_assert_false(machine_raises(m, system_read, &at));
}

static void test_legacy(void)
{
    g_autoptr(Machine) m = machine_new();
    Cpu *cpu = m->cpu;
    uint32_t pde = 0x50000 | 7, pte = 0x60000 | 7, large = 0x83;
    uint64_t gpa;
    machine_start32(m);
    g_assert_true(do_access(m, AT_DATA, CPU_WRITE, 8));
    g_assert_cmpuint(m->ram[AT_DATA], ==, 1);

    /* 32-bit paging: 40001000h -> 60000h; a 4 MiB page at 80000000h */
    cpu->efer = 0;
    cpu->cr0 |= CR0_PG | CR0_WP;
    cpu->cr3 = 0x70000;
    memcpy(m->ram + 0x70000 + 0x100 * 4, &pde, 4);
    memcpy(m->ram + 0x50000 + 4, &pte, 4);
    memcpy(m->ram + 0x70000 + 0x200 * 4, &large, 4);
    cpu->cr4 |= CR4_PSE;
    mmu_flush_all(cpu);
    g_assert_true(do_access(m, 0x40001008, CPU_WRITE, 4));
    g_assert_cmpuint(m->ram[0x60008], ==, 1);
    memcpy(&pte, m->ram + 0x50000 + 4, 4);
    g_assert_cmphex(pte, ==, 0x60067);
    g_assert_true(do_access(m, 0x80000000 + AT_DATA, CPU_READ, 4));
    g_assert_true(mmu_peek(cpu, 0x80000000 + AT_DATA + 3, &gpa));
    g_assert_cmphex(gpa, ==, AT_DATA + 3);
    g_assert_false(do_access(m, 0x40002000, CPU_READ, 4));
    g_assert_cmphex(cpu->raise_error, ==, 0);

    /* PAE */
    cpu->cr4 |= CR4_PAE;
    cpu->cr3 = 0x90020;
    machine_set_word(m, 0x90020 + 8, 0x91000 | 1);
    machine_set_word(m, 0x91000, 0x87);
    mmu_flush_all(cpu);
    g_assert_true(do_access(m, 0x40000000 + AT_DATA, CPU_WRITE, 4));
    machine_set_word(m, 0x90020 + 8, 0x91000 | 3);
    mmu_flush_all(cpu);
    g_assert_false(do_access(m, 0x40000000 + AT_DATA, CPU_WRITE, 4));
    g_assert_cmphex(cpu->raise_error, ==, PF_P | PF_RSVD | PF_W);
}

/* Looking without touching: pages never accessed before, no A bits, structures outside memory. */
static void test_peek(void)
{
    g_autoptr(Machine) m = machine_new();
    static const uint64_t linear = UINT64_C(0x7000000000);
    uint64_t gpa;
    machine_long(m);
    machine_set_word(m, AT_PDPT + 8 * (linear >> 30 & 0x1ff), 0x91000 | 3);
    machine_set_word(m, 0x91000, 0x92000 | 3);
    machine_set_word(m, 0x91008, RAM_SIZE | 3);
    machine_set_word(m, 0x92000, AT_DATA | SHARED_BIT | 1);
    mmu_flush_all(m->cpu);
    g_assert_true(mmu_peek(m->cpu, linear + 5, &gpa));
    g_assert_cmphex(gpa, ==, (AT_DATA | SHARED_BIT) + 5);
    g_assert_cmphex(machine_word(m, 0x92000), ==, AT_DATA | SHARED_BIT | 1);
    g_assert_cmphex(machine_word(m, 0x91000), ==, 0x92000 | 3);
    g_assert_false(mmu_peek(m->cpu, linear + 0x1000, &gpa));
    g_assert_false(mmu_peek(m->cpu, linear + 0x200000, &gpa));
    g_assert_false(mmu_peek(m->cpu, linear + 0x400000, &gpa));
}

/* ---- taking translations away from a running processor ---- */

static void *flusher(void *opaque)
{
    Machine *m = opaque;
    for (unsigned i = 0; i < 200; i++) {
        cpu_group_flush(m->group, NULL, AT_DATA, 4096);
    }
    cpu_request(m->cpu, CPU_PENDING_EXIT);
    return NULL;
}

static void test_group_flush(void)
{
    /* l: mov [rbx], eax; jmp l */
    static const uint8_t code[] = { 0x89, 0x03, 0xeb, 0xfc };
    g_autoptr(Machine) m = machine_new();
    GThread *thread;
    machine_long(m);
    cpu_group_flush(m->group, NULL, 0, UINT64_MAX); /* nobody runs: returns */
    machine_code(m, AT_CODE, code, sizeof(code));
    m->cpu->regs[GPR_RBX] = AT_DATA;
    thread = g_thread_new("flusher", flusher, m);
    g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_KICKED);
    g_thread_join(thread);
}

/* ---- several processors ---- */

static void *run_thread(void *opaque)
{
    Machine *m = opaque;
    return GINT_TO_POINTER(cpu_run(m->cpu));
}

static void *flush_thread(void *opaque)
{
    Machine *m = opaque;
    while (!g_atomic_int_get(&m->accepted)) {
        cpu_group_flush(m->group, NULL, AT_DATA, 8192);
        g_usleep(200);
    }
    return NULL;
}

/*
 * Locked increments on both sides of a page's end, while a third thread takes the pages away again
 * and again.
 */
static void test_split_lock(void)
{
    /* l: lock incl (rbx); lock incl (rdx); dec ecx; jnz l; hlt */
    static const uint8_t code[] = { 0xf0, 0xff, 0x03, 0xf0, 0xff, 0x02, 0xff, 0xc9, 0x75, 0xf6,
                                    0xf4 };
    const unsigned turns = 20000;
    g_autoptr(Machine) first = machine_new();
    Machine *m[3] = { first, machine_beside(first), machine_beside(first) };
    GThread *threads[3], *flushing;
    machine_long(first);
    machine_code(first, AT_CODE, code, sizeof(code));
    for (unsigned i = 0; i < 3; i++) {
        machine_long(m[i]);
        m[i]->cpu->regs[GPR_RBX] = AT_DATA + 0xffe;
        m[i]->cpu->regs[GPR_RDX] = AT_DATA + 0x100;
        m[i]->cpu->regs[GPR_RCX] = turns;
    }
    flushing = g_thread_new("flush", flush_thread, first);
    for (unsigned i = 0; i < 3; i++) {
        threads[i] = g_thread_new("cpu", run_thread, m[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(threads[i])), ==, CPU_EXIT_WORLD);
    }
    g_atomic_int_set(&first->accepted, 1);
    g_thread_join(flushing);
    g_assert_cmpuint((uint32_t)machine_word(first, AT_DATA + 0xffe), ==, 3 * turns);
    g_assert_cmpuint((uint32_t)machine_word(first, AT_DATA + 0x100), ==, 3 * turns);
    machine_free(m[1]);
    machine_free(m[2]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/paging/walks", test_walks);
    g_test_add_func("/paging/accessed-dirty", test_accessed_dirty);
    g_test_add_func("/paging/crossing", test_crossing);
    g_test_add_func("/paging/stale", test_stale);
    g_test_add_func("/paging/kinds", test_kinds);
    g_test_add_func("/paging/system-access", test_system_access);
    g_test_add_func("/paging/legacy", test_legacy);
    g_test_add_func("/paging/peek", test_peek);
    g_test_add_func("/paging/group-flush", test_group_flush);
    g_test_add_func("/paging/split-lock", test_split_lock);
    return g_test_run();
}
