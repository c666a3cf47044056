/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -smp completion and x2APIC ids. */
#include "target/i386/topology.h"

static const struct {
    const char *label;
    CpuTopology in, out; /* cpus, maxcpus, sockets, dies, modules, cores, threads */
} good[] = {
    { "nothing", { 0 }, { 1, 1, 1, 1, 1, 1, 1 } },
    { "cpus", { 8 }, { 8, 8, 1, 1, 1, 8, 1 } },
    { "cores before sockets", { 8, .threads = 2 }, { 8, 8, 1, 1, 1, 4, 2 } },
    { "sockets", { 8, .sockets = 2 }, { 8, 8, 2, 1, 1, 4, 1 } },
    { "cores", { 8, .cores = 2 }, { 8, 8, 4, 1, 1, 2, 1 } },
    { "cores and threads", { 8, .cores = 2, .threads = 2 }, { 8, 8, 2, 1, 1, 2, 2 } },
    { "threads left", { 8, .sockets = 2, .cores = 2 }, { 8, 8, 2, 1, 1, 2, 2 } },
    { "maxcpus", { 4, 8 }, { 4, 8, 1, 1, 1, 8, 1 } },
    { "only levels", { .sockets = 2, .cores = 3, .threads = 2 }, { 12, 12, 2, 1, 1, 3, 2 } },
    { "dies and modules", { .sockets = 1, .dies = 2, .modules = 2, .cores = 2, .threads = 2 },
      { 16, 16, 1, 2, 2, 2, 2 } },
    { "largest", { 4096 }, { 4096, 4096, 1, 1, 1, 4096, 1 } },
};

static const struct {
    const char *label;
    CpuTopology in;
} bad[] = {
    { "product too small", { 8, .sockets = 1, .cores = 2, .threads = 2 } },
    { "product too large", { 8, .sockets = 2, .cores = 4, .threads = 2 } },
    { "indivisible", { 7, .cores = 2 } },
    { "indivisible threads", { 9, .threads = 2 } },
    { "maxcpus under cpus", { 8, 4 } },
    { "too many", { 4097 } },
    { "count too large", { .sockets = 1, .cores = 5000 } },
    { "product wraps", { 1, .sockets = 4096, .dies = 4096, .modules = 4096, .cores = 4096,
                         .threads = 4096 } },
    { "product of levels too large", { .sockets = 128, .cores = 128 } },
    { "all ones", { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
                    UINT32_MAX } },
    { "levels over cpus", { 2, .dies = 2, .modules = 2 } },
};

static void test_good(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) err = NULL;
        CpuTopology t = good[i].in;
        g_test_message("%s", good[i].label);
        g_assert_true(cpu_topology_complete(&t, &err));
        g_assert_cmpmem(&t, sizeof(t), &good[i].out, sizeof(good[i].out));
    }
}

static void test_bad(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;
        CpuTopology t = bad[i].in;
        g_test_message("%s", bad[i].label);
        g_assert_false(cpu_topology_complete(&t, &err));
        g_assert_true(g_str_has_prefix(err->message, "Invalid CPU topology: "));
    }
}

static void test_apic_ids(void)
{
    static const struct {
        CpuTopology t;
        unsigned cpu;
        uint32_t id;
    } rows[] = {
        { { 1, 1, 1, 1, 1, 1, 1 }, 0, 0 },
        { { 8, 8, 1, 1, 1, 8, 1 }, 7, 7 },
        { { 12, 12, 2, 1, 1, 3, 2 }, 5, 5 },
        { { 12, 12, 2, 1, 1, 3, 2 }, 6, 8 }, /* three cores take two bits */
        { { 12, 12, 2, 1, 1, 3, 2 }, 11, 13 },
        { { 16, 16, 1, 2, 2, 2, 2 }, 15, 15 },
        { { 27, 27, 1, 3, 1, 3, 3 }, 26, 42 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_cmpuint(cpu_topology_apic_id(&rows[i].t, rows[i].cpu), ==, rows[i].id);
    }
    CpuTopology t = { 36, 36, 1, 2, 1, 9, 2 };
    g_assert_cmpuint(cpu_topology_shift_smt(&t), ==, 1);
    g_assert_cmpuint(cpu_topology_shift_core(&t), ==, 5);
    g_assert_cmpuint(cpu_topology_shift_module(&t), ==, 5);
    g_assert_cmpuint(cpu_topology_shift_die(&t), ==, 6);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/topology/good", test_good);
    g_test_add_func("/topology/bad", test_bad);
    g_test_add_func("/topology/apic-ids", test_apic_ids);
    return g_test_run();
}
