/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every type that -device help lists has a row here: it comes to a machine and goes, or is there
 * from the start, or is refused with the reason. What devices do is for the other programs here to
 * test.
 */
#include <string.h>

#include "virtio.h"

#define WINDOW (PCI_MMIO_BASE + 0x1000000)
enum {
    CAP_EXPRESS = 0x10, SLOT_CONTROL = 0x18, INDICATOR_ON = 0x100, INDICATOR_OFF = 0x300,
    POWER_OFF = 0x400,
};

typedef enum How { PLUGS, PORT_PLUGS, STARTS, REFUSED } How;

typedef struct Row {
    const char *name;
    How how;
    const char *more; /* of device_add, in JSON; of -device; or what the refusal says */
    uint16_t device;  /* PCI device, with PLUGS */
} Row;

static const Row rows[] = {
    { "i6300esb", PLUGS, "", 0x25ab },
    { "isa-debug-exit", STARTS, "iobase=0xf4,iosize=4", 0 },
    { "isa-debugcon", STARTS, "chardev=null,iobase=0x402", 0 },
    { "isa-serial", STARTS, "chardev=null", 0 },
    { "pci-bridge", STARTS, "chassis_nr=1,addr=9", 0 },
    { "pcie-pci-bridge", STARTS, "chassis_nr=1,addr=9", 0 },
    { "pcie-root-port", STARTS, "chassis=9,addr=9", 0 },
    { "pvpanic", STARTS, "events=3", 0 },
    { "pvpanic-pci", STARTS, "addr=9", 0 },
    { "scsi-cd", PORT_PLUGS, ",\"bus\":\"scsi0.0\"", 0 },
    { "scsi-hd", PORT_PLUGS, ",\"bus\":\"scsi0.0\",\"drive\":\"disk1\"", 0 },
    { "vhost-user-blk-pci", REFUSED, "Parameter 'chardev' is missing", 0 },
    { "vhost-user-fs-pci", REFUSED, "Parameter 'chardev' is missing", 0 },
    { "vhost-vsock-pci", REFUSED, "vhost-vsock",
      0 }, /* there is no such file, or the guest's CID is missing */
    { "virtconsole", PORT_PLUGS, ",\"bus\":\"serial0.0\"", 0 },
    { "virtio-balloon-pci", REFUSED, "balloon", 0 },
    { "virtio-blk-pci", PLUGS, ",\"drive\":\"disk0\"", 0x1042 },
    { "virtio-net-pci", PLUGS, ",\"netdev\":\"net0\"", 0x1041 },
    { "virtio-rng-pci", PLUGS, "", 0x1044 },
    { "virtio-scsi-pci", PLUGS, "", 0x1048 },
    { "virtio-serial-pci", PLUGS, "", 0x1043 },
    { "virtserialport", PORT_PLUGS, ",\"bus\":\"serial0.0\"", 0 },
};

static const PciAddress port = { 0, 2 << 3 }, behind = { 1, 0 };

static const Row *find(const char *name)
{
    g_autofree char *base = g_str_has_suffix(name, "-non-transitional")
                                ? g_strndup(name, strlen(name) - strlen("-non-transitional"))
                                : g_strdup(name);

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!strcmp(rows[i].name, base)) {
            return &rows[i];
        }
    }
    return NULL;
}

static char **listed(void)
{
    g_autofree char *program = g_strdup(client_program()), *text = NULL;
    char *argv[] = { program, (char *)"-device", (char *)"help", NULL };
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    g_assert_true(
        g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &text, NULL, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        if (g_str_has_prefix(lines[i], "name \"")) {
            g_ptr_array_add(names, g_strndup(lines[i] + 6, strcspn(lines[i] + 6, "\"")));
        }
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

static void plug(Client *c, unsigned express, const char *name, const Row *row)
{
    bool in_slot = row->how == PLUGS;
    g_autofree char *added = client_qmp_try(
        c, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"%s\",\"id\":\"new\"%s%s}}",
        name, in_slot ? ",\"bus\":\"port1\"" : "",
        row->how == REFUSED ? ",\"bus\":\"port1\"" : row->more);

    g_test_message("%s: %s", name, added);
    if (row->how == REFUSED) {
        g_assert_nonnull(strstr(added, "\"error\""));
        g_assert_nonnull(strstr(added, row->more));
        return;
    }
    g_assert_nonnull(strstr(added, "\"return\""));
    if (in_slot) {
        pci_config_write(c, port, express + SLOT_CONTROL, INDICATOR_ON, 2);
        g_assert_cmphex(pci_config_read(c, behind, 2, 2), ==, row->device);
    }
    g_free(client_qmp(
        c, "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/machine/peripheral/new\"}}"));
    g_free(client_qmp(c, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"new\"}}"));
    if (in_slot) {
        pci_config_write(c, port, express + SLOT_CONTROL, POWER_OFF | INDICATOR_OFF, 2);
    }
    g_free(client_event(c, "DEVICE_DELETED"));
}

static void start(const char *name, const Row *row)
{
    g_autofree char *device = g_strdup_printf("%s,id=new,%s", name, row->more);
    const char *const arguments[] = { "-chardev", "null,id=null", "-device", device, NULL };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    g_free(client_qmp(
        c, "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/machine/peripheral/new\"}}"));
    /* It was there when the machine began, and does not go. */
    g_autofree char *answer =
        client_qmp_try(c, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"new\"}}");
    g_test_message("%s: %s", name, answer);
    g_assert_nonnull(strstr(answer, "\"error\""));
}

static void test_types(void)
{
    static const char *const arguments[] = {
        "-device", "pcie-root-port,id=port1,chassis=1,addr=2",
        "-device", "virtio-serial-pci,id=serial0",
        "-netdev", "stream,id=net0,server=on,addr.type=unix,addr.path=%D/net",
        "-drive",  "file=%D/disk,format=raw,if=none,id=disk0",
        "-drive",  "file=%D/disk1,format=raw,if=none,id=disk1",
        "-device", "virtio-scsi-pci,id=scsi0",
        NULL,
    };
    static const uint8_t disk[4096];
    g_autoptr(Client) c = client_new();
    g_auto(GStrv) names = listed();
    unsigned count = 0;

    client_make_file(c, "disk", disk, sizeof(disk));
    client_make_file(c, "disk1", disk, sizeof(disk));
    client_launch(c, client_program(), arguments);
    pci_set_up_bridge(c, port, 1, WINDOW);
    unsigned express = pci_find_capability(c, port, CAP_EXPRESS, 0);
    for (; names[count]; count++) {
        const Row *row = find(names[count]);

        if (!row) {
            g_error("type %s has no row in tests/qtest/test-types.c", names[count]);
        }
        if (row->how == STARTS) {
            start(names[count], row);
        } else {
            plug(c, express, names[count], row);
        }
    }
    g_assert_cmpuint(count, >=, G_N_ELEMENTS(rows));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/types", test_types);
    return g_test_run();
}
