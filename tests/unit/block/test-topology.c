/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes of blocks and requests: what is filled in, and what does not fit together. */
#include <string.h>

#include "block/topology.h"

#define AUTO BLOCK_GRANULARITY_AUTO

static void test_filled_in(void)
{
    static const struct {
        const char *label;
        BlockTopology given, settled;
    } rows[] = {
        { "nothing said", { .discard_granularity = AUTO }, { 512, 512, 512, 0, 4096 } },
        { "logical alone", { .logical_block_size = 4096, .discard_granularity = AUTO },
          { 4096, 4096, 4096, 0, 4096 } },
        { "physical alone", { .physical_block_size = 4096, .discard_granularity = AUTO },
          { 512, 4096, 4096, 0, 4096 } },
        { "larger than the disk's own granularity",
          { .logical_block_size = 32768, .discard_granularity = AUTO },
          { 32768, 32768, 32768, 0, 32768 } },
        { "all", { 512, 4096, 8192, 65536, 1 << 20 }, { 512, 4096, 8192, 65536, 1 << 20 } },
        { "no discards", { .logical_block_size = 512 }, { 512, 512, 512, 0, 0 } },
    };
    BlockNode node = { .discard_granularity = 4096 };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        BlockTopology topology = rows[i].given;
        g_autoptr(GError) error = NULL;

        g_test_message("%s", rows[i].label);
        block_topology_settle(&topology, &node, 32768, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(&topology, sizeof(topology), &rows[i].settled, sizeof(topology));
    }
    node.discard_granularity = 0; /* a disk that cannot, and none */
    for (unsigned i = 0; i < 2; i++) {
        BlockTopology topology = { .discard_granularity = AUTO };
        g_assert_true(block_topology_settle(&topology, i ? NULL : &node, 32768, NULL));
        g_assert_cmpuint(topology.discard_granularity, ==, 0);
    }
}

static void test_refused(void)
{
    static const struct {
        BlockTopology given;
        const char *says;
    } rows[] = {
        { { .logical_block_size = 256 }, "logical_block_size is 256, must be a power of 2 from 512 "
          "to 32768" },
        { { .logical_block_size = 513 }, "logical_block_size is 513" },
        { { .logical_block_size = 65536 }, "logical_block_size is 65536" },
        { { .physical_block_size = 256 }, "physical_block_size is 256" },
        { { .physical_block_size = 1536 }, "physical_block_size is 1536" },
        { { 4096, 512, 0, 0, 0 }, "physical_block_size is 512, must be a power of 2 from 4096" },
        { { .min_io_size = 100 }, "min_io_size is 100, must be a multiple of logical_block_size" },
        { { .min_io_size = 512 * 65536 }, "must be less than 65536 blocks of 512" },
        { { .opt_io_size = 1000 }, "opt_io_size is 1000" },
        { { .opt_io_size = UINT64_C(1) << 32 }, "opt_io_size is 4294967296" },
        { { .discard_granularity = 511 }, "discard_granularity is 511" },
        { { 4096, 4096, 0, 0, 512 }, "discard_granularity is 512" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        BlockTopology topology = rows[i].given;
        g_autoptr(GError) error = NULL;

        g_assert_false(block_topology_settle(&topology, NULL, 32768, &error));
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, rows[i].says));
        g_assert_cmpmem(&topology, sizeof(topology), &rows[i].given, sizeof(topology));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/block/topology/filled-in", test_filled_in);
    g_test_add_func("/block/topology/refused", test_refused);
    return g_test_run();
}
