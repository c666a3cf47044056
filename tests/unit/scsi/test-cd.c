/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CD drives: commands with a medium, without one and while it goes; trays. */
#include "hw/scsi/scsi.h"
#include "ram-disk.h"
#include "util/bytes.h"

#define BLOCKS (DISK_SIZE / 2048)

typedef struct Fixture {
    RamDisk ram;
    BlockNode *node;
    ScsiDisk *disk;
    ScsiRequest request;
    struct iovec in;
    uint8_t data[4096];
    bool done;
    unsigned opened, closed; /* how often the tray was */
    GMutex lock;
} Fixture;

static void on_done(ScsiRequest *request, bool locked)
{
    Fixture *f = (Fixture *)((char *)request - offsetof(Fixture, request));

    g_assert_false(f->done);
    f->done = true;
}

static void on_tray(void *opaque, bool open)
{
    Fixture *f = opaque;

    (*(open ? &f->opened : &f->closed))++;
}

static void set_up(Fixture *f, gconstpointer data)
{
    f->node = ram_disk_new(&f->ram, false);
    const ScsiDiskConfig config = {
        .node = data ? NULL : f->node, .name = "cd", .vendor = "QEMU", .product = "QEMU CD-ROM",
        .version = "2.5+", .device_id = "ID", .topology.logical_block_size = 2048,
        .topology.physical_block_size = 2048, .cd = true, .removable = true, .tray_moved = on_tray,
        .opaque = f,
    };
    g_mutex_init(&f->lock);
    f->disk = scsi_disk_new(&config, NULL);
    g_assert_nonnull(f->disk);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    scsi_disk_free(f->disk);
    qom_object_unref(&f->node->object);
    g_mutex_clear(&f->lock);
}

static void submit(Fixture *f, const char *cdb, unsigned in_size)
{
    f->request = (ScsiRequest) { .done = on_done, .in_size = in_size, .in = &f->in, .num_in = 1 };
    for (unsigned i = 0; cdb[2 * i]; i++) {
        f->request.cdb[i] = (uint8_t)(g_ascii_xdigit_value(cdb[2 * i]) << 4 |
                                      g_ascii_xdigit_value(cdb[2 * i + 1]));
    }
    f->in = (struct iovec) { f->data, in_size };
    memset(f->data, 0xee, sizeof(f->data));
    f->done = false;
    g_mutex_lock(&f->lock);
    scsi_submit(f->disk, &f->request);
    g_mutex_unlock(&f->lock);
}

/* The sense data; 0: the command is good. */
static unsigned run(Fixture *f, const char *cdb, unsigned in_size)
{
    submit(f, cdb, in_size);
    while (!f->done) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_false(f->request.overrun);
    return f->request.status == SCSI_CHECK_CONDITION
               ? (unsigned)f->request.sense[2] << 16 | (unsigned)f->request.sense[12] << 8 |
                     f->request.sense[13]
               : 0;
}

static const char ready[] = "000000000000";

/* What is answered with a medium, without one, and with the tray open; moved: with a medium. */
static const struct {
    const char *label, *cdb;
    unsigned in_size, with, without, moved;
} commands[] = {
    { "test unit ready", "000000000000", 0, 0, 0x023a01, 0 },
    { "request sense", "030000001200", 18, 0, 0, 18 },
    { "inquiry", "120000006000", 96, 0, 0, 36 },
    { "vital pages", "120100006000", 96, 0, 0, 7 },
    { "identification", "120183006000", 96, 0, 0, 10 },
    { "a disk's vital page", "1201b0006000", 96, 0x052400, 0x052400, 0 },
    { "mode sense, all", "1a003f00ff00", 255, 0, 0, 38 },
    { "mode sense, capabilities", "5a002a0000000000ff00", 255, 0, 0, 30 },
    { "mode sense, caching", "1a000800ff00", 255, 0x052400, 0x052400, 0 },
    { "read capacity", "25000000000000000000", 8, 0, 0x023a01, 8 },
    { "read capacity(16)", "9e100000000000000000000000200000", 32, 0, 0x023a01, 32 },
    { "read(10)", "28000000000100000200", 4096, 0, 0x023a01, 4096 },
    { "read(12), beyond", "a80000000200000000010000", 2048, 0x052100, 0x023a01, 0 },
    { "read toc", "43000000000000001400", 64, 0, 0x023a01, 20 },
    { "read toc, the second track", "43000000000002001400", 64, 0x052400, 0x023a01, 0 },
    { "read toc, the lead-out", "430000000000aa001400", 64, 0, 0x023a01, 12 },
    { "read toc, sessions", "43000100000000001400", 64, 0, 0x023a01, 12 },
    { "read toc, sessions as of old", "43000000000000001440", 64, 0, 0x023a01, 12 },
    { "read toc, raw", "43000200000000001400", 64, 0x052400, 0x023a01, 0 },
    { "get configuration", "4600000000000000ff00", 255, 0, 0, 76 },
    { "get configuration, one feature", "4602001e00000000ff00", 255, 0, 0, 16 },
    { "get configuration, one that there is not", "4602000d00000000ff00", 255, 0, 0, 8 },
    { "get configuration, bad request type", "4603000000000000ff00", 255, 0x052400, 0x052400, 0 },
    { "get event status", "4a010000100000000800", 8, 0, 0, 8 },
    { "get event status, of no class", "4a010000ef0000000800", 8, 0, 0, 4 },
    { "get event status, asynchronous", "4a000000100000000800", 8, 0x052400, 0x052400, 0 },
    { "read disc information", "51000000000000002200", 64, 0, 0x023a01, 34 },
    { "read disc information, resources", "51010000000000002200", 64, 0x052400, 0x052400, 0 },
    { "mechanism status", "bd0000000000000000080000", 8, 0, 0, 8 },
    { "write(10)", "2a000000000100000000", 0, 0x052000, 0x052000, 0 },
    { "write same", "93010000000000000000000000010000", 0, 0x052000, 0x052000, 0 },
    { "unmap", "42000000000000000000", 0, 0x052000, 0x052000, 0 },
    { "mode select", "151000000000", 0, 0x052000, 0x052000, 0 },
    { "verify", "2f000000000100000200", 0, 0, 0x023a01, 0 },
    { "start", "1b0000000100", 0, 0, 0, 0 },
    { "standby", "1b0000003000", 0, 0, 0, 0 },
    { "read cd", "be000000000100000110", 2048, 0x052000, 0x052000, 0 },
    { "format unit", "040000000000", 0, 0x052000, 0x052000, 0 },
};

static void test_commands(Fixture *f, gconstpointer empty)
{
    run(f, ready, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_test_message("%s", commands[i].label);
        g_assert_cmphex(run(f, commands[i].cdb, commands[i].in_size), ==,
                        empty ? commands[i].without : commands[i].with);
        if (!empty) {
            g_assert_cmpuint(f->request.moved, ==, commands[i].moved);
        }
        if (f->request.moved < commands[i].in_size) {
            g_assert_cmphex(f->data[f->request.moved], ==, 0xee);
        }
    }
    scsi_tray_move(f->disk, true);
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_test_message("%s, tray open", commands[i].label);
        g_assert_cmphex(run(f, commands[i].cdb, commands[i].in_size), ==,
                        commands[i].without == 0x023a01 ? 0x023a02 : commands[i].without);
    }
    g_assert_cmpuint(f->ram.ops[BLOCK_WRITE] | f->ram.ops[BLOCK_DISCARD], ==, 0);
}

static void test_answers(Fixture *f, gconstpointer data)
{
    run(f, ready, 0);
    run(f, "43020000000000001400", 20); /* the lead-out by minute, second, frame: block 512 + 150 */
    g_assert_cmpmem(f->data, 20, "\0\22\1\1\0\24\1\0\0\0\2\0\0\24\252\0\0\0\10\76", 20);
    run(f, "5a002a0000000000ff00", 255);
    g_assert_cmpmem(f->data, 15, "\0\34\0\0\0\0\0\0\52\24\73\0\0\0\51", 15);
    run(f, "5a006a0000000000ff00", 255); /* nothing can be changed */
    g_assert_cmpmem(f->data + 8, 8, "\52\24\0\0\0\0\0\0", 8);
    run(f, "1e0000000100", 0);
    run(f, "5a002a0000000000ff00", 255);
    g_assert_cmphex(f->data[14], ==, 0x2b); /* locked */
    run(f, "4602000000000000ff00", 255);
    g_assert_cmpmem(f->data, 20, "\0\0\0\20\0\0\0\10\0\0\3\10\0\20\0\0\0\10\1\0", 20);
    run(f, "4601001000000000ff00", 255); /* what is current from 0x10 on: no DVD */
    g_assert_cmpuint(load_be32(f->data), ==, 4 + 12 + 8);
    run(f, "bd0000000000000000080000", 8);
    g_assert_cmphex(f->data[1], ==, 0);
    scsi_tray_move(f->disk, true);
    run(f, "bd0000000000000000080000", 8);
    g_assert_cmphex(f->data[1], ==, 0x10);
}

/* What is larger than a CD is a DVD. */
static void test_dvd(Fixture *f, gconstpointer data)
{
    f->node->size = UINT64_C(2048) * 360001;
    run(f, "4600000000000000ff00", 255);
    g_assert_cmpuint(f->data[7], ==, 0x10);
    f->node->size -= 2048;
    run(f, "4600000000000000ff00", 255);
    g_assert_cmpuint(f->data[7], ==, 0x08);
    f->node->size = DISK_SIZE;
}

static void test_tray(Fixture *f, gconstpointer data)
{
    run(f, ready, 0);
    g_assert_cmphex(run(f, "1e0000000100", 0), ==, 0);
    g_assert_cmphex(run(f, "1b0000000200", 0), ==, 0x055302);
    g_assert_true(scsi_tray(f->disk).locked);
    scsi_tray_request(f->disk);
    run(f, "4a010000ef0000000800", 8); /* of another class: it waits */
    run(f, "4a010000100000000800", 8);
    g_assert_cmphex(f->data[4], ==, 1);
    g_assert_cmpuint(f->opened, ==, 0);
    scsi_reset(f->disk);
    g_assert_false(scsi_tray(f->disk).locked);
    run(f, ready, 0);
    g_assert_cmphex(run(f, "1b0000000200", 0), ==, 0);
    g_assert_cmphex(run(f, "1e0000000100", 0), ==, 0);
    g_assert_cmphex(run(f, "1b0000000200", 0), ==, 0); /* an open tray has no lock */
    g_assert_cmpuint(f->opened, ==, 1);
    scsi_tray_reset(f->disk);
    g_assert_cmpuint(f->closed, ==, 1);
    g_assert_false(scsi_tray(f->disk).open || scsi_tray(f->disk).locked);
    g_assert_cmphex(run(f, ready, 0), ==, 0x062800);
    g_assert_cmphex(run(f, ready, 0), ==, 0);
}

/* A request that runs while the medium is taken out ends, and none comes after. */
static void test_change(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    run(f, ready, 0);
    submit(f, "28000000000100000200", 4096);
    g_assert_true(scsi_medium_remove(f->disk, &f->lock) == f->node);
    g_assert_true(f->done);
    g_assert_cmphex(f->request.status, ==, SCSI_TASK_ABORTED);
    g_assert_null(scsi_medium_remove(f->disk, &f->lock));
    g_assert_cmphex(run(f, ready, 0), ==, 0x023a01);
    run(f, "4a010000100000000800", 8);
    g_assert_cmpuint(f->data[4] << 8 | f->data[5], ==, 0x0300);
    scsi_drain(f->disk);
    BlockNode *none = block_empty_new();
    g_assert_false(scsi_medium_insert(f->disk, none, &f->lock, &error));
    g_assert_nonnull(strstr(error->message, "drive is empty"));
    g_clear_error(&error);
    qom_object_unref(&none->object);
    f->node->size = 2047;
    g_assert_false(scsi_medium_insert(f->disk, f->node, &f->lock, &error));
    g_assert_nonnull(strstr(error->message, "less than one block of 2048"));
    g_assert_cmphex(run(f, ready, 0), ==, 0x023a01);
    f->node->size = DISK_SIZE + 2047; /* the rest is no block */
    g_assert_true(scsi_medium_insert(f->disk, f->node, &f->lock, NULL));
    g_assert_cmphex(run(f, ready, 0), ==, 0x062800);
    run(f, "4a010000100000000800", 8);
    g_assert_cmpuint(f->data[4] << 8 | f->data[5], ==, 0x0202);
    run(f, "25000000000000000000", 8);
    g_assert_cmpuint(load_be32(f->data), ==, BLOCKS - 1);
    f->node->size = DISK_SIZE;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/scsi/cd/commands", Fixture, NULL, set_up, test_commands, tear_down);
    g_test_add("/scsi/cd/commands-without-medium", Fixture, "empty", set_up, test_commands,
               tear_down);
    g_test_add("/scsi/cd/answers", Fixture, NULL, set_up, test_answers, tear_down);
    g_test_add("/scsi/cd/dvd", Fixture, NULL, set_up, test_dvd, tear_down);
    g_test_add("/scsi/cd/tray", Fixture, NULL, set_up, test_tray, tear_down);
    g_test_add("/scsi/cd/change", Fixture, NULL, set_up, test_change, tear_down);
    return g_test_run();
}
