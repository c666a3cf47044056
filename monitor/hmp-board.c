/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "info …" about the board: interrupt lines, memory, files for firmware. */
#include <inttypes.h>
#include <string.h>

#include "hmp-info.h"
#include "hw/i386/q35-devices.h"
#include "hw/virtio/virtio-pci-device.h"

static void with_ioapic(QapiContext *context, void (*describe)(const Ioapic *ioapic, GString *out),
                        GString *out)
{
    Ioapic *ioapic = context->board ? context->board->devices->ioapic : NULL;

    if (!ioapic) {
        g_string_append(out, context->board ? "Error: the kernel has the interrupt controllers: "
                                              "/sys/kernel/debug/kvm counts their interrupts\n"
                                            : "Error: this machine has no interrupt controller\n");
        return;
    }
    g_mutex_lock(&context->board->lock);
    describe(ioapic, out);
    g_mutex_unlock(&context->board->lock);
}

void hmp_info_pic(QapiContext *context, const char *arguments, GString *out)
{
    with_ioapic(context, ioapic_describe, out);
}

void hmp_info_irq(QapiContext *context, const char *arguments, GString *out)
{
    with_ioapic(context, ioapic_describe_counts, out);
}

static void describe_file(const char *name, uint32_t size, void *opaque)
{
    g_string_append_printf(opaque, "fw=%s size=0x%06x name=\"%s\"\n", name, size, name);
}

void hmp_info_roms(QapiContext *context, const char *arguments, GString *out)
{
    const Q35Machine *board = context->board;

    for (unsigned i = 0; board && i < board->num_ram; i++) {
        if (!strcmp(board->ram[i].name, "firmware")) {
            g_string_append_printf(out,
                                   "addr=%016" PRIx64 " size=0x%06" PRIx64 " mem=%s name=\"%s\"\n",
                                   board->ram[i].gpa, board->ram[i].size,
                                   board->ram[i].rom ? "rom" : "ram", board->ram[i].name);
        }
    }
    if (board) {
        g_mutex_lock(&context->board->lock);
        fw_cfg_foreach_file(board->devices->fw_cfg, describe_file, out);
        g_mutex_unlock(&context->board->lock);
    }
}

void hmp_info_ramblock(QapiContext *context, const char *arguments, GString *out)
{
    const Q35Machine *board = context->board;

    if (board) {
        g_string_append(
            out,
            "              Block Name    Guest physical           Total                 HVA  RO\n");
    }
    for (unsigned i = 0; board && i < board->num_ram; i++) {
        const GuestRam *ram = &board->ram[i];
        g_string_append_printf(
            out, "%24s  0x%016" PRIx64 "  0x%016" PRIx64 "  0x%016" PRIxPTR "  %s\n", ram->name,
            ram->gpa, ram->size, (uintptr_t)ram->host, ram->rom ? "ro" : "rw");
    }
    if (board && context->plan) {
        g_string_append(out, "Of a TD's RAM this is the half that it shares with the host\n");
    }
}

static void describe_virtio(QomObject *object, void *opaque)
{
    if (qom_is(object, &virtio_pci_type) && DEVICE(object)->realized) {
        g_autofree char *path = qom_object_path(object);
        g_string_append_printf(opaque, "%s/virtio-backend [%s]\n", path, object->type->name);
    }
}

void hmp_info_virtio(QapiContext *context, const char *arguments, GString *out)
{
    QomObject *machine = qom_object_child(context->objects, "machine");

    if (machine) {
        qom_visit(machine, describe_virtio, out);
    }
}

void hmp_info_numa(QapiContext *context, const char *arguments, GString *out)
{
    if (!context->board) {
        g_string_append(out, "0 nodes\n");
        return;
    }
    g_string_append(out, "1 nodes\nnode 0 cpus:");
    for (unsigned i = 0; i < context->topology->cpus; i++) {
        g_string_append_printf(out, " %u", i);
    }
    g_string_append_printf(out, "\nnode 0 size: %" PRIu64 " MB\nnode 0 plugged: 0 MB\n",
                           context->ram_size >> 20);
}

void hmp_info_qdm(QapiContext *context, const char *arguments, GString *out)
{
    g_autofree char *text = devices_help(qom_object_types(context->objects));

    g_string_append(out, text);
}
