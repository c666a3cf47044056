/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SCSI disks: good and bad commands, and what they do to the disk. */
#include <errno.h>

#include "hw/scsi/scsi.h"
#include "ram-disk.h"
#include "util/bytes.h"

#define BLOCKS (DISK_SIZE / 512) /* 2048 = 0x800 */

typedef struct Fixture {
    RamDisk ram;
    BlockNode *node;
    ScsiDisk *disk;
    ScsiRequest request;
    struct iovec out[2], in[2];
    uint8_t out_data[4096], in_data[4096];
    bool done;
} Fixture;

static void on_done(ScsiRequest *request, bool locked)
{
    Fixture *f = (Fixture *)((char *)request - offsetof(Fixture, request));

    g_assert_false(f->done);
    f->done = true;
}

static void set_up(Fixture *f, gconstpointer data)
{
    bool read_only = data && !strcmp(data, "read-only");

    f->node = ram_disk_new(&f->ram, read_only);
    for (unsigned i = 0; i < DISK_SIZE; i++) {
        f->ram.data[i] = (uint8_t)(i / 512 + 1);
    }
    const ScsiDiskConfig config = {
        .node = f->node, .name = "disk", .vendor = "QEMU", .product = "QEMU HARDDISK",
        .version = "2.5+", .serial = "SERIAL", .device_id = "ID",
        .wwn = UINT64_C(0x5000c50015ea71ac),
        .topology.logical_block_size = 512, .topology.physical_block_size = 4096,
        .topology.discard_granularity = BLOCK_GRANULARITY_AUTO,
    };
    f->disk = scsi_disk_new(&config, NULL);
    g_assert_nonnull(f->disk);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    scsi_disk_free(f->disk);
    qom_object_unref(&f->node->object);
}

/* cdb: hexadecimal. The data lie in two pieces each. */
static void run(Fixture *f, const char *cdb, unsigned out_size, unsigned in_size)
{
    f->request = (ScsiRequest) { .done = on_done, .out_size = out_size, .in_size = in_size };
    for (unsigned i = 0; cdb[2 * i]; i++) {
        f->request.cdb[i] = (uint8_t)(g_ascii_xdigit_value(cdb[2 * i]) << 4 |
                                      g_ascii_xdigit_value(cdb[2 * i + 1]));
    }
    f->out[0] = (struct iovec) { f->out_data, out_size / 3 };
    f->out[1] = (struct iovec) { f->out_data + out_size / 3, out_size - out_size / 3 };
    f->in[0] = (struct iovec) { f->in_data, in_size / 3 };
    f->in[1] = (struct iovec) { f->in_data + in_size / 3, in_size - in_size / 3 };
    f->request.out = f->out;
    f->request.in = f->in;
    f->request.num_out = f->request.num_in = 2;
    memset(f->in_data, 0xee, sizeof(f->in_data));
    f->done = false;
    scsi_submit(f->disk, &f->request);
    while (!f->done) {
        g_main_context_iteration(NULL, TRUE);
    }
}

static unsigned sense(const Fixture *f)
{
    return f->request.status == SCSI_CHECK_CONDITION
               ? (unsigned)f->request.sense[2] << 16 | (unsigned)f->request.sense[12] << 8 |
                     f->request.sense[13]
               : 0;
}

static void settle(Fixture *f)
{
    run(f, "000000000000", 0, 0);
}

#define OVER 0x1000000 /* more data than room */

/* sense: key, code, qualifier; 0 = the command is good and moves so many bytes. */
static const struct {
    const char *label, *cdb;
    unsigned out_size, in_size, sense, moved;
} commands[] = {
    { "test unit ready", "000000000000", 0, 0, 0, 0 },
    { "request sense", "030000001200", 0, 18, 0, 18 },
    { "request sense, 4 bytes", "030000000400", 0, 18, 0, 4 },
    { "request sense, descriptors", "030100001200", 0, 18, 0x052400, 0 },
    { "inquiry", "120000006000", 0, 96, 0, 36 },
    { "inquiry, 5 bytes", "120000000500", 0, 96, 0, 5 },
    { "inquiry, little room", "120000006000", 0, 8, 0, 8 },
    { "inquiry, page without EVPD", "120080006000", 0, 96, 0x052400, 0 },
    { "inquiry, CMDDT", "120200006000", 0, 96, 0x052400, 0 },
    { "pages", "120100006000", 0, 96, 0, 10 },
    { "serial number", "120180006000", 0, 96, 0, 10 },
    { "identification", "120183006000", 0, 96, 0, 22 },
    { "block limits", "1201b0006000", 0, 96, 0, 64 },
    { "characteristics", "1201b1006000", 0, 96, 0, 64 },
    { "provisioning", "1201b2006000", 0, 96, 0, 8 },
    { "no such page", "120184006000", 0, 96, 0x052400, 0 },
    { "mode sense, all", "1a003f00ff00", 0, 255, 0, 44 },
    { "mode sense, caching", "1a080800ff00", 0, 255, 0, 24 },
    { "mode sense, header alone", "1a080000ff00", 0, 255, 0, 4 },
    { "mode sense, all subpages", "1a083fffff00", 0, 255, 0, 36 },
    { "mode sense(10)", "5a003f0000000000ff00", 0, 255, 0, 48 },
    { "mode sense, no such page", "1a080500ff00", 0, 255, 0x052400, 0 },
    { "mode sense, subpage", "1a080801ff00", 0, 255, 0x052400, 0 },
    { "mode sense, saved", "1a08c800ff00", 0, 255, 0x053900, 0 },
    { "mode select, nothing", "151000000000", 0, 0, 0, 0 },
    { "mode select, half a header", "151000000300", 3, 0, 0x051a00, 0 },
    { "mode select, less than told", "151000001800", 20, 0, 0x051a00, 0 },
    { "mode select, of old", "150000000400", 4, 0, 0x052400, 0 },
    { "mode select, saved", "151100000400", 4, 0, 0x052400, 0 },
    { "read capacity", "25000000000000000000", 0, 8, 0, 8 },
    { "read capacity(16)", "9e100000000000000000000000200000", 0, 32, 0, 32 },
    { "read capacity(16), 12 bytes", "9e1000000000000000000000000c0000", 0, 32, 0, 12 },
    { "another service action", "9e110000000000000000000000200000", 0, 32, 0x052000, 0 },
    { "read(6)", "080000010200", 0, 1024, 0, 1024 },
    { "read(10)", "28000000000100000200", 0, 1024, 0, 1024 },
    { "read(10), the last", "2800000007ff00000100", 0, 512, 0, 512 },
    { "read(10), one beyond", "2800000007ff00000200", 0, 1024, 0x052100, 0 },
    { "read(10), far beyond", "2800ffffffff00000100", 0, 512, 0x052100, 0 },
    { "read(10), nothing", "28000000000100000000", 0, 0, 0, 0 },
    { "read(10), nothing beyond the end", "28000000080100000000", 0, 0, 0x052100, 0 },
    { "read(10), protection", "28200000000100000200", 0, 1024, 0x052400, 0 },
    { "read(10), little room", "28000000000100000200", 0, 1023, OVER, 0 },
    { "read(12)", "a80000000001000000020000", 0, 1024, 0, 1024 },
    { "read(12), all blocks there can be", "a80000000001ffffffff0000", 0, 1024, 0x052100, 0 },
    { "read(16)", "88000000000000000001000000020000", 0, 1024, 0, 1024 },
    { "read(16), address that wraps", "8800ffffffffffffffff000000020000", 0, 1024, 0x052100, 0 },
    { "write(6)", "0a0000010200", 1024, 0, 0, 1024 },
    { "write(10)", "2a000000000100000200", 1024, 0, 0, 1024 },
    { "write(10), little data", "2a000000000100000200", 1000, 0, OVER, 0 },
    { "write(10), beyond", "2a000000080000000100", 512, 0, 0x052100, 0 },
    { "write(12)", "aa0000000001000000020000", 1024, 0, 0, 1024 },
    { "write(16)", "8a000000000000000001000000020000", 1024, 0, 0, 1024 },
    { "write(16), protection", "8a200000000000000001000000020000", 1024, 0, 0x052400, 0 },
    { "verify", "2f000000000100000200", 0, 0, 0, 0 },
    { "verify, bytes compared", "2f020000000100000200", 1024, 0, 0x052400, 0 },
    { "verify, beyond", "8f000000000000000800000000010000", 0, 0, 0x052100, 0 },
    { "synchronize cache", "35000000000000000000", 0, 0, 0, 0 },
    { "synchronize cache(16)", "91000000000000000000000000000000", 0, 0, 0, 0 },
    { "synchronize cache, beyond", "35000000080100000000", 0, 0, 0x052100, 0 },
    { "start", "1b0000000100", 0, 0, 0, 0 },
    { "prevent removal", "1e0000000100", 0, 0, 0, 0 },
    { "unmap, nothing", "42000000000000000000", 0, 0, 0, 0 },
    { "unmap, half a header", "42000000000000000400", 4, 0, 0x051a00, 0 },
    { "unmap, anchored", "42010000000000001800", 24, 0, 0x052400, 0 },
    { "write same, protection", "93200000000000000001000000020000", 512, 0, 0x052400, 0 },
    { "write same, anchored", "93100000000000000001000000020000", 512, 0, 0x052400, 0 },
    { "write same, beyond", "930800000000000007ff000000020000", 512, 0, 0x052100, 0 },
    { "write same, half a block", "93000000000000000001000000020000", 511, 0, OVER, 0 },
    { "report luns, which is the adapter's", "a00000000000000001000000", 0, 256, 0x052000, 0 },
    { "report luns, too little", "a000000000000000000f0000", 0, 256, 0x052400, 0 },
    { "format unit", "040000000000", 0, 0, 0x052000, 0 },
    { "persistent reserve", "5e000000000000000800", 0, 8, 0x052000, 0 },
    { "ata pass-through", "85000000000000000000000000000000", 0, 512, 0x052000, 0 },
    { "variable length", "7f000000000000180009000000000000", 0, 512, 0x052000, 0 },
    { "vendor's", "ff0000000000", 0, 0, 0x052000, 0 },
};

static void test_commands(Fixture *f, gconstpointer data)
{
    settle(f);
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_test_message("%s", commands[i].label);
        run(f, commands[i].cdb, commands[i].out_size, commands[i].in_size);
        g_assert_cmphex(f->request.overrun ? OVER : sense(f), ==, commands[i].sense);
        g_assert_cmpuint(f->request.moved, ==, commands[i].moved);
        if (f->request.moved && commands[i].in_size > f->request.moved) {
            g_assert_cmphex(f->in_data[f->request.moved], ==, 0xee); /* no byte more than told */
        }
    }
}

static void test_attention(Fixture *f, gconstpointer data)
{
    run(f, "120000006000", 0, 96); /* tells of itself first */
    g_assert_cmphex(sense(f), ==, 0);
    run(f, "28000000000100000200", 0, 1024);
    g_assert_cmphex(sense(f), ==, 0x062900);
    run(f, "28000000000100000200", 0, 1024);
    g_assert_cmphex(sense(f), ==, 0);
    scsi_reset(f->disk);
    run(f, "030000001200", 0, 18);
    g_assert_cmphex(f->request.status, ==, SCSI_GOOD);
    g_assert_cmphex(f->in_data[2], ==, 6);
    g_assert_cmphex(f->in_data[12], ==, 0x29);
    settle(f);
    g_assert_cmphex(sense(f), ==, 0);
}

static void test_answers(Fixture *f, gconstpointer data)
{
    settle(f);
    run(f, "120000006000", 0, 96);
    g_assert_cmpmem(f->in_data + 8, 28, "QEMU    QEMU HARDDISK   2.5+", 28);
    run(f, "120180006000", 0, 96);
    g_assert_cmpmem(f->in_data, 10, "\0\x80\0\6SERIAL", 10);
    run(f, "120183006000", 0, 96);
    g_assert_cmpmem(f->in_data, 22, "\0\x83\0\x12\2\0\0\2ID\1\3\0\10\x50\0\xc5\0\x15\xea\x71\xac",
                    22);
    run(f, "1201b0006000", 0, 96);
    g_assert_cmpuint(load_be32(f->in_data + 24), ==, 16);
    g_assert_cmpuint(load_be64(f->in_data + 36), ==, (64u << 20) / 512);
    run(f, "25000000000000000000", 0, 8);
    g_assert_cmpuint(load_be32(f->in_data), ==, BLOCKS - 1);
    g_assert_cmpuint(load_be32(f->in_data + 4), ==, 512);
    run(f, "9e100000000000000000000000200000", 0, 32);
    g_assert_cmpuint(load_be64(f->in_data), ==, BLOCKS - 1);
    g_assert_cmpuint(f->in_data[13], ==, 3);
    g_assert_cmphex(f->in_data[14], ==, 0x80);
    run(f, "1a080800ff00", 0, 255);
    g_assert_cmphex(f->in_data[6], ==, 4); /* there is a write cache */
}

static void test_data(Fixture *f, gconstpointer data)
{
    settle(f);
    run(f, "28000000000500000200", 0, 1024);
    g_assert_cmpuint(f->in_data[0], ==, 6);
    g_assert_cmpuint(f->in_data[1023], ==, 7);
    memset(f->out_data, 0xab, 1024);
    g_assert_cmphex(f->ram.flags, ==, 0);
    run(f, "2a080000000500000200", 1024, 0);
    g_assert_cmphex(f->ram.flags, ==, BLOCK_FUA);
    g_assert_cmphex(f->ram.data[5 * 512], ==, 0xab);
    g_assert_cmphex(f->ram.data[7 * 512 - 1], ==, 0xab);
    g_assert_cmphex(f->ram.data[7 * 512], ==, 8);
    run(f, "35000000000000000000", 0, 0);
    g_assert_cmpuint(f->ram.ops[BLOCK_FLUSH], ==, 1);
}

/* The write cache is switched, and nothing else is. */
static void test_mode_select(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label, *list;
        unsigned sense;
    } rows[] = {
        { "the cache, off", "00000000 0812000000000000000000000000000000000000", 0 },
        { "again", "00000000 0812000000000000000000000000000000000000", 0 },
        { "with a block descriptor", "00000008 0000080000000200"
          "0812040000000000000000000000000000000000", 0 },
        { "control, as it is", "00000000 0a0a00000000000000000000", 0 },
        { "both", "00000000 0a0a00000000000000000000 0812000000000000000000000000000000000000", 0 },
        { "the read cache too", "00000000 0812050000000000000000000000000000000000", 0x052600 },
        { "another control", "00000000 0a0a02000000000000000000", 0x052600 },
        { "a page that there is not", "00000000 010a00000000000000000000", 0x052600 },
        { "a subpage", "00000000 4812000000000000000000000000000000000000", 0x052600 },
        { "a short page", "00000000 081000000000000000000000000000000000", 0x052600 },
        { "half a page", "00000000 081204", 0x051a00 },
        { "half a page's head", "00000000 08", 0x051a00 },
        { "descriptors of 7 bytes", "00000007 00000800000002", 0x052600 },
        { "more descriptors than list", "00000008 0000", 0x051a00 },
        { "the cache, on, then nonsense", "00000000 0812040000000000000000000000000000000000 ff",
          0x051a00 },
    };

    settle(f);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        unsigned size = 0;

        g_test_message("%s", rows[i].label);
        for (const char *at = rows[i].list; *at; at += *at == ' ' ? 1 : 2) {
            if (*at != ' ') {
                f->out_data[size++] = (uint8_t)(g_ascii_xdigit_value(at[0]) << 4 |
                                                g_ascii_xdigit_value(at[1]));
            }
        }
        g_autofree char *cdb = g_strdup_printf("15100000%02x00", size);
        run(f, cdb, size, 0);
        g_assert_cmphex(sense(f), ==, rows[i].sense);
        g_assert_cmpuint(f->request.moved, ==, rows[i].sense ? 0 : size);
    }
    g_assert_cmpuint(f->ram.ops[BLOCK_FLUSH], ==, 2); /* when it went off */
    run(f, "1a080800ff00", 0, 255);
    g_assert_cmphex(f->in_data[6], ==, 0);
    run(f, "1a084800ff00", 0, 255); /* what can be changed, and what it was */
    g_assert_cmphex(f->in_data[6], ==, 4);
    run(f, "1a088800ff00", 0, 255);
    g_assert_cmphex(f->in_data[6], ==, 4);
    run(f, "2a000000000500000200", 1024, 0);
    g_assert_cmphex(f->ram.flags, ==, BLOCK_FUA);
    memset(f->out_data, 0, 28);
    f->out_data[8] = 8;
    f->out_data[9] = 18;
    f->out_data[10] = 4;
    run(f, "55100000000000001c00", 28, 0);
    g_assert_cmphex(sense(f), ==, 0);
    f->ram.flags = 0;
    run(f, "2a000000000500000200", 1024, 0);
    g_assert_cmphex(f->ram.flags, ==, 0);
    f->out_data[10] = 0;
    run(f, "55100000000000001c00", 28, 0);
    scsi_reset(f->disk); /* as it was at first */
    settle(f);
    run(f, "1a080800ff00", 0, 255);
    g_assert_cmphex(f->in_data[6], ==, 4);
}

static void test_unmap(Fixture *f, gconstpointer data)
{
    settle(f);
    memset(f->out_data, 0, 8 + 16 * 17);
    store_be16(f->out_data, 2 + 4 + 48);
    store_be16(f->out_data + 2, 48);
    store_be64(f->out_data + 8, 1);
    store_be32(f->out_data + 16, 2);
    store_be64(f->out_data + 24, 0x7ff); /* nothing of the second */
    store_be64(f->out_data + 40, 0x7fe);
    store_be32(f->out_data + 48, 2);
    run(f, "42000000000000003800", 56, 0);
    g_assert_cmphex(sense(f), ==, 0);
    g_assert_cmpuint(f->ram.ops[BLOCK_DISCARD], ==, 2);
    g_assert_cmpuint(f->ram.data[511], ==, 1);
    g_assert_cmpuint(f->ram.data[512] | f->ram.data[3 * 512 - 1] | f->ram.data[DISK_SIZE - 1], ==,
                     0);
    store_be32(f->out_data + 48, 3); /* one block too many: nothing is done */
    run(f, "42000000000000003800", 56, 0);
    g_assert_cmphex(sense(f), ==, 0x052100);
    store_be16(f->out_data + 2, 64); /* more than there is */
    run(f, "42000000000000003800", 56, 0);
    g_assert_cmphex(sense(f), ==, 0x051a00);
    store_be16(f->out_data + 2, 16 * 17);
    run(f, "42000000000000011800", 8 + 16 * 17, 0);
    g_assert_cmphex(sense(f), ==, 0x052600);
    store_be16(f->out_data + 2, 48);
    run(f, "42000000000000003800", 30, 0); /* told, and not sent */
    g_assert_cmphex(sense(f), ==, 0x052600);
    g_assert_cmpuint(f->ram.ops[BLOCK_DISCARD], ==, 2);
}

static void test_write_same(Fixture *f, gconstpointer data)
{
    settle(f);
    memset(f->out_data, 0, 512);
    run(f, "93080000000000000002000000030000", 512, 0);
    g_assert_cmphex(sense(f), ==, 0);
    g_assert_cmpuint(f->ram.ops[BLOCK_WRITE_ZEROES], ==, 1);
    g_assert_cmphex(f->ram.flags, ==, BLOCK_MAY_UNMAP);
    g_assert_cmpuint(f->ram.data[2 * 512] | f->ram.data[5 * 512 - 1], ==, 0);
    g_assert_cmpuint(f->ram.data[5 * 512], ==, 6);
    f->out_data[511] = 9;
    run(f, "41000000000a00000400", 512, 0);
    g_assert_cmpuint(f->ram.ops[BLOCK_WRITE], ==, 1);
    g_assert_cmpuint(f->ram.data[11 * 512 - 1], ==, 9);
    g_assert_cmpuint(f->ram.data[14 * 512 - 1], ==, 9);
    g_assert_cmpuint(f->ram.data[14 * 512], ==, 15);
    run(f, "93010000000000000000000000000000", 0, 0); /* zeroes, to the end */
    g_assert_cmphex(sense(f), ==, 0);
    g_assert_cmpuint(f->ram.data[0] | f->ram.data[DISK_SIZE - 1], ==, 0);
}

static void test_errors(Fixture *f, gconstpointer data)
{
    static const struct {
        int error;
        unsigned read, write;
    } rows[] = {
        { -EIO, 0x031100, 0x030c00 }, { -ENOSPC, 0x072707, 0x072707 },
        { -EACCES, 0x072700, 0x072700 }, { -ENOMEM, 0x0b0006, 0x0b0006 },
    };

    settle(f);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        f->ram.error = rows[i].error;
        run(f, "28000000000100000200", 0, 1024);
        g_assert_cmphex(sense(f), ==, rows[i].read);
        g_assert_cmpuint(f->request.moved, ==, 0);
        run(f, "2a000000000100000200", 1024, 0);
        g_assert_cmphex(sense(f), ==, rows[i].write);
        run(f, "93010000000000000001000000020000", 0, 0);
        g_assert_cmphex(sense(f), ==, rows[i].write);
    }
}

static void test_read_only(Fixture *f, gconstpointer data)
{
    settle(f);
    run(f, "28000000000100000200", 0, 1024);
    g_assert_cmphex(sense(f), ==, 0);
    run(f, "2a000000000100000200", 1024, 0);
    g_assert_cmphex(sense(f), ==, 0x072700);
    run(f, "93010000000000000001000000020000", 0, 0);
    g_assert_cmphex(sense(f), ==, 0x072700);
    run(f, "42000000000000003800", 56, 0);
    g_assert_cmphex(sense(f), ==, 0x052000);
    run(f, "1a080800ff00", 0, 255);
    g_assert_cmphex(f->in_data[2] & 0x80, ==, 0x80);
}

static void test_bad_disks(void)
{
    static const struct {
        uint32_t logical, physical;
        const char *error;
    } rows[] = {
        { 256, 512, "logical_block_size is 256" }, { 513, 1024, "logical_block_size is 513" },
        { 65536, 65536, "logical_block_size is 65536" },
        { 4096, 512, "physical_block_size is 512" }, { 512, 1536, "physical_block_size is 1536" },
    };
    g_autofree RamDisk *ram = g_new0(RamDisk, 1);
    BlockNode *node = ram_disk_new(ram, false);

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const ScsiDiskConfig config = { .node = node, .name = "d",
                                        .topology.logical_block_size = rows[i].logical,
                                        .topology.physical_block_size = rows[i].physical };
        g_autoptr(GError) err = NULL;

        g_assert_null(scsi_disk_new(&config, &err));
        g_assert_nonnull(strstr(err->message, rows[i].error));
    }
    qom_object_unref(&node->object);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/scsi/commands", Fixture, NULL, set_up, test_commands, tear_down);
    g_test_add("/scsi/attention", Fixture, NULL, set_up, test_attention, tear_down);
    g_test_add("/scsi/answers", Fixture, NULL, set_up, test_answers, tear_down);
    g_test_add("/scsi/data", Fixture, NULL, set_up, test_data, tear_down);
    g_test_add("/scsi/mode-select", Fixture, NULL, set_up, test_mode_select, tear_down);
    g_test_add("/scsi/unmap", Fixture, NULL, set_up, test_unmap, tear_down);
    g_test_add("/scsi/write-same", Fixture, NULL, set_up, test_write_same, tear_down);
    g_test_add("/scsi/errors", Fixture, NULL, set_up, test_errors, tear_down);
    g_test_add("/scsi/read-only", Fixture, "read-only", set_up, test_read_only, tear_down);
    g_test_add_func("/scsi/bad-disks", test_bad_disks);
    return g_test_run();
}
