/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CD drives, as a guest's driver and a monitor's client meet them: -cdrom, -drive media=cdrom,
 * scsi-cd. MMC-6.
 */
#include <string.h>

#include "scsi.h"

#define BLOCK 2048
#define BLOCKS 40

static const PciAddress card = { 0, 4 << 3 };

static const char ready[] = "00 00 00 00 00 00", read_0[] = "28 00 00 00 00 00 00 00 01 00",
                  capacity[] = "25 00 00 00 00 00 00 00 00 00",
                  event[] = "4a 01 00 00 10 00 00 00 08 00", lock[] = "1e 00 00 00 01 00",
                  unlock[] = "1e 00 00 00 00 00", eject[] = "1b 00 00 00 02 00",
                  load[] = "1b 00 00 00 03 00";

static void make_image(Disks *d, const char *name, uint8_t first, unsigned blocks)
{
    g_autofree uint8_t *bytes = g_malloc(blocks * BLOCK);

    for (unsigned i = 0; i < blocks * BLOCK; i++) {
        bytes[i] = (uint8_t)(first + i / BLOCK);
    }
    client_make_file(d->client, name, bytes, blocks * BLOCK);
}

/* A drive at target 0 of the host at `card`, with media in the directory. */
static void start(Disks *d, const char *const *arguments)
{
    d->client = client_new();
    make_image(d, "a.iso", 1, BLOCKS);
    make_image(d, "b.iso", 101, BLOCKS + 1);
    client_launch(d->client, client_program(), arguments);
    disks_start(d, card, 0);
}

static void start_device(Disks *d)
{
    static const char *const arguments[] = {
        "-device", "virtio-scsi-pci,id=scsi0,addr=4", "-drive",
        "file=%D/a.iso,format=raw,if=none,id=cd0,media=cdrom", "-device",
        "scsi-cd,id=drive0,drive=cd0,bus=scsi0.0", NULL,
    };

    start(d, arguments);
}

static uint32_t sense(Disks *d, const char *cdb, uint32_t in_size)
{
    Reply reply = disks_run(d, 0, 0, cdb, 0, in_size);

    g_test_message("%s: response %u, status %u, sense %06x", cdb, reply.response, reply.status,
                   reply.sense);
    g_assert_cmpuint(reply.response, ==, OK);
    g_assert_cmpuint(reply.status, ==, reply.sense ? CHECK : GOOD);
    return reply.sense;
}

/* The first byte of the medium. */
static uint8_t first_byte(Disks *d)
{
    g_assert_cmphex(sense(d, read_0, BLOCK), ==, 0);
    return d->client->ram[d->data];
}

/* Media event and status, which is asked for once. */
static unsigned media(Disks *d)
{
    const uint8_t *data = d->client->ram + d->data;

    g_assert_cmphex(sense(d, event, 8), ==, 0);
    g_assert_cmpmem(data, 4, "\0\6\4\20", 4);
    return (unsigned)data[4] << 8 | data[5];
}

static char *command(Disks *d, const char *name, const char *arguments)
{
    return client_qmp_try(d->client, "{\"execute\":\"%s\",\"arguments\":{%s}}", name, arguments);
}

static void good(Disks *d, const char *name, const char *arguments)
{
    g_autofree char *answer = command(d, name, arguments);

    g_test_message("%s %s: %s", name, arguments, answer);
    g_assert_nonnull(strstr(answer, "\"return\""));
}

static void expect(Disks *d, const char *what)
{
    g_autofree char *answer = client_qmp(d->client, "{\"execute\":\"query-block\"}");

    g_test_message("%s", answer);
    g_assert_nonnull(strstr(answer, what));
}

static void tray_moved(Disks *d, const char *device, const char *id, bool open)
{
    g_autofree char *told = client_event(d->client, "DEVICE_TRAY_MOVED");
    g_autofree char *data = g_strdup_printf(
        "{\"device\": \"%s\", \"id\": \"%s\", \"tray-open\": %s}", device, id,
        open ? "true" : "false");

    g_test_message("%s", told);
    g_assert_nonnull(strstr(told, data));
}

static void test_medium(void)
{
    Disks d;

    start_device(&d);
    const uint8_t *data = d.client->ram + d.data;
    g_assert_cmphex(sense(&d, "12 00 00 00 24 00", 36), ==, 0);
    g_assert_cmpmem(data, 2, "\5\200", 2);
    g_assert_cmpmem(data + 8, 28, "QEMU    QEMU CD-ROM     2.5+", 28);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x062900);
    g_assert_cmphex(sense(&d, capacity, 8), ==, 0);
    g_assert_cmpmem(data, 8, "\0\0\0\47\0\0\10\0", 8);
    g_assert_cmpuint(first_byte(&d), ==, 1);
    g_assert_cmphex(sense(&d, "28 00 00 00 00 27 00 00 01 00", BLOCK), ==, 0);
    g_assert_cmpuint(data[0], ==, BLOCKS);
    g_assert_cmphex(sense(&d, "28 00 00 00 00 28 00 00 01 00", BLOCK), ==, 0x052100);
    g_assert_cmphex(disks_run(&d, 0, 0, "2a 00 00 00 00 00 00 00 01 00", BLOCK, 0).sense, ==,
                    0x052000);
    g_assert_cmphex(sense(&d, "43 00 00 00 00 00 00 00 14 00", 20), ==, 0);
    g_assert_cmpmem(data, 20, "\0\22\1\1\0\24\1\0\0\0\0\0\0\24\252\0\0\0\0\50", 20);
    g_assert_cmphex(sense(&d, "46 02 00 00 00 00 00 00 08 00", 8), ==, 0);
    g_assert_cmpuint(data[7], ==, 8); /* a CD-ROM */
    expect(&d, "\"device\": \"cd0\", \"qdev\": \"/machine/peripheral/drive0\", \"type\": "
               "\"unknown\", \"removable\": true, \"locked\": false, \"tray_open\": false, "
               "\"inserted\"");
    client_end(d.client);
}

static void test_guest_ejects(void)
{
    Disks d;

    start_device(&d);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x062900);
    g_assert_cmpuint(media(&d), ==, 0x0002);
    g_assert_cmphex(sense(&d, lock, 0), ==, 0);
    expect(&d, "\"locked\": true, \"tray_open\": false");
    g_assert_cmphex(sense(&d, eject, 0), ==, 0x055302);
    g_assert_cmphex(sense(&d, unlock, 0), ==, 0);
    g_assert_cmphex(sense(&d, eject, 0), ==, 0);
    tray_moved(&d, "cd0", "drive0", true);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x023a02);
    g_assert_cmphex(sense(&d, read_0, BLOCK), ==, 0x023a02);
    g_assert_cmpuint(media(&d), ==, 0x0303);
    expect(&d, "\"tray_open\": true, \"inserted\"");
    g_assert_cmphex(sense(&d, eject, 0), ==, 0); /* again: nothing moves */
    g_assert_cmphex(sense(&d, load, 0), ==, 0);
    tray_moved(&d, "cd0", "drive0", false);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x062800);
    g_assert_cmpuint(media(&d), ==, 0x0202);
    g_assert_cmpuint(first_byte(&d), ==, 1);
    /* A reset closes it, and takes the lock away. */
    g_assert_cmphex(sense(&d, eject, 0), ==, 0);
    g_assert_cmphex(sense(&d, lock, 0), ==, 0);
    tray_moved(&d, "cd0", "drive0", true);
    good(&d, "system_reset", "");
    tray_moved(&d, "cd0", "drive0", false);
    expect(&d, "\"locked\": false, \"tray_open\": false");
    client_end(d.client);
}

/* What people and management software do, step by step and at once. */
static void test_change(void)
{
    Disks d;

    start_device(&d);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x062900);
    g_autofree char *change = g_strdup_printf("\"id\":\"drive0\",\"filename\":\"%s/b.iso\"",
                                              d.client->directory);
    good(&d, "blockdev-change-medium", change);
    tray_moved(&d, "cd0", "drive0", true);
    tray_moved(&d, "cd0", "drive0", false);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x062800);
    g_assert_cmpuint(first_byte(&d), ==, 101);
    g_assert_cmphex(sense(&d, capacity, 8), ==, 0);
    g_assert_cmpuint(d.client->ram[d.data + 3], ==, BLOCKS);
    expect(&d, "b.iso");
    good(&d, "eject", "\"device\":\"cd0\"");
    tray_moved(&d, "cd0", "drive0", true);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x023a02);
    expect(&d, "\"tray_open\": true}");
    g_autofree char *nodes = client_qmp(d.client, "{\"execute\":\"query-named-block-nodes\"}");
    g_assert_nonnull(strstr(nodes, "\"return\": []")); /* both media are closed */
    good(&d, "blockdev-close-tray", "\"id\":\"drive0\"");
    tray_moved(&d, "cd0", "drive0", false);
    g_assert_cmphex(sense(&d, read_0, BLOCK), ==, 0x062800);
    g_assert_cmphex(sense(&d, read_0, BLOCK), ==, 0x023a01);
    g_assert_cmphex(sense(&d, capacity, 8), ==, 0x023a01);
    g_assert_cmphex(sense(&d, "46 00 00 00 00 00 00 00 08 00", 8), ==, 0);
    g_assert_cmpuint(d.client->ram[d.data + 7], ==, 0); /* no profile */
    good(&d, "blockdev-open-tray", "\"id\":\"/machine/peripheral/drive0\"");
    g_autofree char *add = g_strdup_printf(
        "\"driver\":\"file\",\"node-name\":\"n\",\"filename\":\"%s/a.iso\",\"read-only\":true",
        d.client->directory);
    good(&d, "blockdev-add", add);
    good(&d, "blockdev-insert-medium", "\"id\":\"drive0\",\"node-name\":\"n\"");
    good(&d, "blockdev-close-tray", "\"id\":\"drive0\"");
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x062800);
    g_assert_cmpuint(first_byte(&d), ==, 1);
    good(&d, "blockdev-open-tray", "\"id\":\"drive0\"");
    good(&d, "blockdev-remove-medium", "\"id\":\"drive0\"");
    good(&d, "blockdev-del", "\"node-name\":\"n\""); /* which has a name, and stays until then */
    client_end(d.client);
}

static void test_locked(void)
{
    Disks d;

    start_device(&d);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x062900);
    g_assert_cmphex(sense(&d, lock, 0), ==, 0);
    g_autofree char *answer = command(&d, "eject", "\"id\":\"drive0\"");
    g_assert_nonnull(strstr(answer, "Device 'drive0' is locked and force was not specified"));
    g_assert_cmpuint(media(&d), ==, 0x0102); /* the guest is asked, once */
    g_assert_cmpuint(media(&d), ==, 0x0002);
    good(&d, "blockdev-open-tray", "\"id\":\"drive0\"");
    g_assert_cmpuint(media(&d), ==, 0x0102);
    expect(&d, "\"tray_open\": false, \"inserted\"");
    g_autofree char *change = g_strdup_printf("\"id\":\"drive0\",\"filename\":\"%s/b.iso\"",
                                              d.client->directory);
    g_autofree char *refused = command(&d, "blockdev-change-medium", change);
    g_assert_nonnull(strstr(refused, "is locked"));
    g_assert_cmpuint(first_byte(&d), ==, 1);
    good(&d, "eject", "\"id\":\"drive0\",\"force\":true");
    tray_moved(&d, "cd0", "drive0", true);
    g_assert_cmphex(sense(&d, read_0, BLOCK), ==, 0x023a02);
    client_end(d.client);
}

static void test_refused(void)
{
    static const struct {
        const char *name, *arguments, *error;
    } rows[] = {
        { "eject", "", "exactly one of" },
        { "eject", "\"id\":\"drive0\",\"device\":\"cd0\"", "exactly one of" },
        { "eject", "\"id\":\"drive1\"", "Device 'drive1' not found" },
        { "eject", "\"device\":\"\"", "Device '' not found" },
        { "eject", "\"id\":\"scsi0\"", "Device 'scsi0' is not removable" },
        { "eject", "\"device\":\"disk\"", "Device 'disk' is not removable" },
        { "blockdev-remove-medium", "\"id\":\"drive0\"", "Tray of device 'drive0' is not open" },
        { "blockdev-insert-medium", "\"id\":\"drive0\",\"node-name\":\"x\"", "'x' not found" },
        { "blockdev-insert-medium", "\"id\":\"drive0\",\"node-name\":\"cd0\"", "already in use" },
        { "blockdev-insert-medium", "\"id\":\"drive0\",\"node-name\":\"disk\"", "is not open" },
        { "blockdev-change-medium", "\"id\":\"drive0\",\"filename\":\"/nowhere/x\"",
          "No such file" },
        { "blockdev-change-medium",
          "\"id\":\"drive0\",\"filename\":\"/dev/null\",\"format\":\"cow\"", "Unknown driver" },
        { "blockdev-change-medium",
          "\"id\":\"drive0\",\"filename\":\"x\",\"read-only-mode\":\"read-write\"",
          "which does not write" },
    };
    static const char *const arguments[] = {
        "-device", "virtio-scsi-pci,id=scsi0,addr=4", "-blockdev",
        "driver=file,node-name=cd0,filename=%D/a.iso,read-only=on", "-blockdev",
        "driver=file,node-name=disk,filename=%D/b.iso", "-device",
        "scsi-cd,id=drive0,drive=cd0,bus=scsi0.0", NULL,
    };
    Disks d;

    start(&d, arguments);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x062900);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *answer = command(&d, rows[i].name, rows[i].arguments);

        g_test_message("%s %s: %s", rows[i].name, rows[i].arguments, answer);
        g_assert_nonnull(strstr(answer, "\"error\""));
        g_assert_nonnull(strstr(answer, rows[i].error));
    }
    g_assert_cmpuint(first_byte(&d), ==, 1); /* it is as it was */
    good(&d, "blockdev-open-tray", "\"id\":\"drive0\"");
    g_autofree char *full = command(&d, "blockdev-insert-medium",
                                    "\"id\":\"drive0\",\"node-name\":\"disk\"");
    g_assert_nonnull(strstr(full, "There already is a medium in device 'drive0'"));
    client_end(d.client);
}

/* Options that name no device: a controller is made for them, after all others. */
static void test_cdrom(void)
{
    static const char *const arguments[] = {
        "-cdrom", "%D/a.iso", "-drive", "media=cdrom,file=%D/b.iso", "-drive",
        "if=ide,index=1,media=cdrom", "-device", "virtio-rng-pci,addr=1", "-device",
        "virtio-rng-pci,addr=2", "-device", "virtio-rng-pci,addr=3", NULL,
    };
    Disks d;

    start(&d, arguments);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x062900);
    g_assert_cmpuint(first_byte(&d), ==, 1);
    expect(&d, "\"device\": \"ide2-cd0\"");
    expect(&d, "\"device\": \"ide0-cd0\"");
    expect(&d, "\"device\": \"ide1-cd0\"");
    g_autofree char *text = client_qmp(
        d.client, "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"change "
                  "ide1-cd0 %s/b.iso raw\"}}", d.client->directory);
    g_assert_nonnull(strstr(text, "{\"return\": \"\"}"));
    g_assert_cmphex(disks_run(&d, 2, 0, ready, 0, 0).sense, ==, 0x062900);
    g_assert_cmpuint(disks_run(&d, 2, 0, read_0, 0, BLOCK).status, ==, GOOD);
    g_assert_cmpuint(d.client->ram[d.data], ==, 101);
    g_autofree char *ejected = client_qmp(
        d.client, "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"eject "
                  "ide2-cd0\"}}");
    g_assert_nonnull(strstr(ejected, "{\"return\": \"\"}"));
    g_assert_cmphex(sense(&d, read_0, BLOCK), ==, 0x023a02);
    client_end(d.client);
}

/* A drive without a medium from the start, and one that comes and goes. */
static void test_empty(void)
{
    static const char *const arguments[] = {
        "-device", "virtio-scsi-pci,id=scsi0,addr=4", "-device", "scsi-cd,id=drive0,bus=scsi0.0",
        NULL,
    };
    Disks d;

    start(&d, arguments);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x062900);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x023a01);
    expect(&d, "\"device\": \"\", \"qdev\": \"/machine/peripheral/drive0\"");
    g_autofree char *change = g_strdup_printf("\"id\":\"drive0\",\"filename\":\"%s/a.iso\"",
                                              d.client->directory);
    good(&d, "blockdev-change-medium", change);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x062800);
    g_assert_cmpuint(first_byte(&d), ==, 1);
    good(&d, "device_del", "\"id\":\"drive0\"");
    g_assert_cmpuint(disks_run(&d, 0, 0, ready, 0, 0).response, ==, BAD_TARGET);
    good(&d, "device_add", "\"driver\":\"scsi-cd\",\"id\":\"drive1\",\"bus\":\"scsi0.0\"");
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x062900);
    g_assert_cmphex(sense(&d, ready, 0), ==, 0x023a01);
    client_end(d.client);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/cd/medium", test_medium);
    g_test_add_func("/qtest/cd/guest-ejects", test_guest_ejects);
    g_test_add_func("/qtest/cd/change", test_change);
    g_test_add_func("/qtest/cd/locked", test_locked);
    g_test_add_func("/qtest/cd/refused", test_refused);
    g_test_add_func("/qtest/cd/cdrom", test_cdrom);
    g_test_add_func("/qtest/cd/empty", test_empty);
    return g_test_run();
}
