/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page states, what accesses to them do, and that untouched memory costs nothing. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "fixture.h"

static void test_transitions(void)
{
    static uint8_t page[4096] = {1, 2, 3};
    Fixture f;
    fixture_prepare(&f);
    fixture_open(&f);
    g_assert_cmpstr(td_page_state_name(f.td, 0x1000), ==, "FREE");
    g_assert_cmphex(td_page_add(f.td, 0x1000, page), ==, 0);
    g_assert_cmpstr(td_page_state_name(f.td, 0x1fff), ==, "MAPPED");
    g_assert_cmphex(td_page_add(f.td, 0x1000, page), ==, TDX_EPT_ENTRY_NOT_FREE | 1);
    g_assert_cmphex(td_page_add(f.td, 0x1001, page), ==, TDX_OPERAND_INVALID | 1);
    g_assert_cmphex(td_page_add(f.td, UINT64_C(1) << 47, page), ==, TDX_OPERAND_INVALID | 1);
    g_assert_cmphex(td_mr_extend(f.td, 0x2000), ==, TDX_EPT_ENTRY_NOT_PRESENT | 1);
    g_assert_cmphex(td_mr_extend(f.td, 0x1010), ==, TDX_OPERAND_INVALID | 1);
    g_assert_cmphex(td_mr_extend(f.td, 0x1f00), ==, 0);
    fixture_finalize(&f);
    g_assert_cmphex(td_page_aug(f.td, 0x1000), ==, 0);
    g_assert_cmpstr(td_page_state_name(f.td, 0x1000), ==, "MAPPED");
    g_assert_cmphex(td_page_aug(f.td, 0x3000), ==, 0);
    g_assert_cmpstr(td_page_state_name(f.td, 0x3000), ==, "PENDING");
    g_assert_cmphex(td_page_aug(f.td, 0x3000), ==, 0);
    g_assert_cmphex(td_page_aug(f.td, UINT64_C(1) << 47), ==, TDX_OPERAND_INVALID | 1);
    g_assert_cmpint(sept_accept(&f.td->sept, 0x3000), ==, SEPT_PENDING);
    g_assert_cmpint(sept_accept(&f.td->sept, 0x3000), ==, SEPT_MAPPED);
    g_assert_cmpint(sept_accept(&f.td->sept, 0x9000), ==, SEPT_FREE);
    g_assert_cmpstr(td_page_state_name(f.td, 0x3000 | UINT64_C(1) << 47), ==, "SHARED");
    g_assert_cmpstr(td_page_state_name(f.td, UINT64_C(1) << 48), ==, "beyond GPAW");
    fixture_close(&f);
}

static void test_remove(void)
{
    static uint8_t page[4096];
    Fixture f;
    _Atomic uint8_t *state;
    uint8_t *contents = NULL;
    uint64_t last = (UINT64_C(1) << 30) - 0x1000;
    memset(page, 0xaa, sizeof(page));
    fixture_prepare(&f);
    fixture_open(&f);
    g_assert_cmphex(td_page_add(f.td, last, page), ==, 0);
    g_assert_cmphex(td_page_add(f.td, last + 0x1000, page), ==, 0);
    g_assert_cmphex(td_page_add(f.td, last + 0x2000, page), ==, 0);
    unsigned before = fixture_flushes();
    td_range_remove(f.td, last, 0x2000); /* across a GiB */
    g_assert_cmpint(fixture_flushes(), ==, before + 1);
    g_assert_cmpstr(td_page_state_name(f.td, last), ==, "FREE");
    g_assert_cmpstr(td_page_state_name(f.td, last + 0x1000), ==, "FREE");
    g_assert_cmpstr(td_page_state_name(f.td, last + 0x2000), ==, "MAPPED");
    fixture_finalize(&f);
    g_assert_cmphex(td_page_aug(f.td, last), ==, 0);
    g_assert_cmpint(sept_accept(&f.td->sept, last), ==, SEPT_PENDING);
    g_assert_true(sept_lookup(&f.td->sept, last, &state, &contents));
    g_assert_cmpint(contents[0] | contents[4095], ==, 0);
    td_range_remove(f.td, 0, UINT64_MAX);
    g_assert_cmpstr(td_page_state_name(f.td, last + 0x2000), ==, "FREE");
    td_range_remove(f.td, UINT64_C(1) << 60, 0x1000);
    fixture_close(&f);
}

static size_t resident(void)
{
    size_t total = 0, rss = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    g_assert_nonnull(statm);
    g_assert_cmpint(fscanf(statm, "%zu %zu", &total, &rss), ==, 2);
    fclose(statm);
    return rss * 4096;
}

static void test_cost(void)
{
    Fixture f;
#ifdef __SANITIZE_THREAD__
    g_test_skip("ThreadSanitizer's shadow counts as resident memory");
    return;
#endif
    size_t before = resident();
    fixture_prepare(&f);
    fixture_open(&f);
    fixture_finalize(&f);
    g_assert_cmpuint(resident() - before, <, 1 << 20);
    /* 512 MiB accepted: states only */
    for (uint64_t gpa = 0; gpa < UINT64_C(512) << 20; gpa += 4096) {
        g_assert_cmphex(td_page_aug(f.td, gpa), ==, 0);
        g_assert_cmpint(sept_accept(&f.td->sept, gpa), ==, SEPT_PENDING);
    }
    g_assert_cmpuint(resident() - before, <, 3 << 20);
    /* A page far up has its place too. */
    g_assert_cmphex(td_page_aug(f.td, (UINT64_C(1) << 47) - 4096), ==, 0);
    fixture_close(&f);
}

typedef struct Access {
    uint64_t gpa, linear;
    CpuAccess access;
    CpuHostPage page;
} Access;

static void do_map(Cpu *cpu, void *arg)
{
    Access *a = arg;
    cpu->world->map(cpu, a->gpa, a->linear, true, a->access, &a->page);
}

#define SHARED (UINT64_C(1) << 47)

static const struct {
    const char *name;
    uint64_t gpa;
    CpuAccess access;
    Outcome outcome;
    int detail; /* vector, or TdExitKind */
    uint64_t error;
} accesses[] = {
    {"mapped read", 0x1000, CPU_READ, RETURNED, 0, 0},
    {"mapped fetch", 0x1000, CPU_FETCH, RETURNED, 0, 0},
    {"hole", 0x7000, CPU_WRITE, LEFT, TD_EXIT_EPT_VIOLATION, 0},
    {"far hole", UINT64_C(1) << 46, CPU_READ, LEFT, TD_EXIT_EPT_VIOLATION, 0},
    {"pending", 0x3000, CPU_READ, LEFT, TD_EXIT_PENDING_ACCESS, 0},
    {"shared read", SHARED | 0x1000, CPU_READ, RETURNED, 0, 0},
    {"shared fetch", SHARED | 0x1000, CPU_FETCH, RAISED, VEC_PF, 0x19},
    {"shared without slot", SHARED | 0xfee00000, CPU_READ, RAISED, VEC_VE, 0},
    {"shared, private by attribute", SHARED | 0x2000, CPU_WRITE, LEFT, TD_EXIT_EPT_VIOLATION, 0},
    {"above the shared bit", SHARED << 1 | 0x1000, CPU_READ, RAISED, VEC_PF, 0x9},
    {"above the shared bit, write", SHARED << 2, CPU_WRITE, RAISED, VEC_PF, 0xb},
};

static void test_access(void)
{
    static uint8_t page[4096];
    Fixture f;
    fixture_prepare(&f);
    fixture_open(&f);
    g_assert_cmphex(td_page_add(f.td, 0x1000, page), ==, 0);
    fixture_finalize(&f);
    g_assert_cmphex(td_page_aug(f.td, 0x3000), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(accesses); i++) {
        Access a = {.gpa = accesses[i].gpa, .linear = 0x555123, .access = accesses[i].access};
        g_test_message("%s", accesses[i].name);
        f.vcpu->ve_valid = false;
        Outcome outcome = fixture_try(f.cpu, do_map, &a);
        g_assert_cmpint(outcome, ==, accesses[i].outcome);
        if (outcome == RAISED) {
            g_assert_cmpint(f.cpu->raise_vector, ==, accesses[i].detail);
            g_assert_cmphex(f.cpu->raise_error, ==, accesses[i].error);
        } else if (outcome == LEFT) {
            g_assert_cmpint(f.vcpu->exit.kind, ==, accesses[i].detail);
            g_assert_cmphex(f.vcpu->exit.gpa, ==, accesses[i].gpa & ~SHARED);
            g_assert_cmpint(f.vcpu->exit.shared, ==, (accesses[i].gpa & SHARED) != 0);
            g_assert_cmpint(f.vcpu->exit.write, ==, accesses[i].access == CPU_WRITE);
        } else {
            g_assert_nonnull(a.page.host);
            g_assert_true(a.page.writable);
        }
    }
    fixture_close(&f);
}

/*
 * A read-only slot refuses writes as MMIO; a pending page without SEPT_VE_DISABLE is a #VE with its
 * address.
 */
static void test_ve_accesses(void)
{
    Fixture f;
    fixture_prepare(&f);
    f.params.attributes = 0;
    f.shared_writable = false;
    fixture_open(&f);
    fixture_finalize(&f);
    g_assert_cmphex(td_page_aug(f.td, 0x3000), ==, 0);
    Access a = {.gpa = 0x3000, .linear = 0x777abc, .access = CPU_WRITE};
    g_assert_cmpint(fixture_try(f.cpu, do_map, &a), ==, RAISED);
    g_assert_cmpint(f.cpu->raise_vector, ==, VEC_VE);
    g_assert_cmpint(f.vcpu->ve_reason, ==, 48);
    g_assert_cmphex(f.vcpu->ve_gpa, ==, 0x3abc);
    g_assert_cmphex(f.vcpu->ve_gla, ==, 0x777abc);
    g_assert_cmphex(f.vcpu->ve_qualification, ==, 0x182);
    /* the information was not read: the next #VE is a double fault */
    a = (Access){.gpa = SHARED | 0x1000, .linear = 0x1000, .access = CPU_WRITE};
    g_assert_cmpint(fixture_try(f.cpu, do_map, &a), ==, RAISED);
    g_assert_cmpint(f.cpu->raise_vector, ==, VEC_DF);
    a = (Access){.gpa = SHARED | 0x1000, .linear = 0x1000, .access = CPU_READ};
    g_assert_cmpint(fixture_try(f.cpu, do_map, &a), ==, RETURNED);
    g_assert_false(a.page.writable);
    fixture_close(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sept/transitions", test_transitions);
    g_test_add_func("/sept/remove", test_remove);
    g_test_add_func("/sept/cost", test_cost);
    g_test_add_func("/sept/access", test_access);
    g_test_add_func("/sept/ve-accesses", test_ve_accesses);
    return g_test_run();
}
