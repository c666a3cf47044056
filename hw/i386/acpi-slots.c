/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acpi-index= of PCI devices: numbers by which a guest names its devices, however it finds them.
 * PCI Firmware Specification 3.3, 4.6.7: _DSM with function 7 of the device's ACPI node.
 */
#include <string.h>

#include "hw/i386/acpi-aml.h"
#include "hw/i386/acpi.h"
#include "hw/pci/pci-device.h"
#include "util/error.h"

typedef struct Collection {
    GArray *slots;
    GError *error; /* the first */
} Collection;

/* From the root bus down to the device. False: it is behind more bridges than are told of. */
static bool find_path(const PciDevice *device, AcpiSlot *slot)
{
    uint8_t up[ACPI_SLOT_DEPTH];
    unsigned depth = 0;

    while (device && depth < ACPI_SLOT_DEPTH) {
        const Device *owner = device->device.bus->owner;
        up[depth++] = (uint8_t)pci_function_devfn(device->function);
        bool is_pci = owner && qom_is(&owner->object, &pci_device_type);
        device = is_pci ? (const PciDevice *)owner : NULL;
    }
    for (unsigned i = 0; i < depth; i++) {
        slot->path[i] = up[depth - 1 - i];
    }
    slot->depth = depth;
    return !device;
}

static void visit(QomObject *object, void *opaque)
{
    Collection *collection = opaque;
    const PciDevice *device = (const PciDevice *)object;

    if (collection->error || !qom_is(object, &pci_device_type) || !device->acpi_index ||
        !device->function) {
        return;
    }
    AcpiSlot slot = { .index = device->acpi_index };
    for (guint i = 0; i < collection->slots->len; i++) {
        if (g_array_index(collection->slots, AcpiSlot, i).index == slot.index) {
            error_set(&collection->error, "a PCI device with acpi-index = %u already exist",
                      slot.index);
            return;
        }
    }
    if (!find_path(device, &slot)) {
        error_set(&collection->error, "acpi-index = %u: more than %u bridges are above the device",
                  slot.index, ACPI_SLOT_DEPTH - 1);
        return;
    }
    g_array_append_val(collection->slots, slot);
}

/* By place: what is behind the same bridge stands together, whatever the order of options. */
static int compare(gconstpointer a, gconstpointer b)
{
    const AcpiSlot *x = a, *y = b;
    int order = memcmp(x->path, y->path, MIN(x->depth, y->depth));

    return order ? order : (int)x->depth - (int)y->depth;
}

GArray *acpi_slots_collect(QomObject *machine, GError **errp)
{
    Collection collection = { g_array_new(FALSE, FALSE, sizeof(AcpiSlot)), NULL };

    qom_visit(machine, visit, &collection);
    if (collection.error) {
        g_propagate_error(errp, collection.error);
        g_array_unref(collection.slots);
        return NULL;
    }
    g_array_sort(collection.slots, compare);
    return collection.slots;
}

/* ---- The nodes ---- */

static void if_equal(Aml *aml, uint8_t what)
{
    aml_if(aml);
    aml_code(aml, AML_LEQUAL);
    aml_code(aml, what);
}

/* Functions 0 (which there are: 0 and 7) and 7 (number and name, which is empty). */
static void add_dsm(Aml *aml, uint32_t index)
{
    static const uint8_t pci_device[16] = { /* E5C937D0-3553-4D7A-9117-EA4D19C3434D */
        0xd0, 0x37, 0xc9, 0xe5, 0x53, 0x35, 0x7a, 0x4d, 0x91, 0x17, 0xea, 0x4d, 0x19, 0xc3, 0x43,
        0x4d,
    };
    static const uint8_t functions = 0x81, none = 0;

    aml_method(aml, "_DSM", 4);
    if_equal(aml, AML_ARG0);
    aml_buffer(aml, pci_device, sizeof(pci_device));
    if_equal(aml, AML_ARG0 + 2);
    aml_integer(aml, 0);
    aml_code(aml, AML_RETURN);
    aml_buffer(aml, &functions, 1);
    aml_end(aml);
    if_equal(aml, AML_ARG0 + 2);
    aml_integer(aml, 7);
    aml_code(aml, AML_RETURN);
    aml_package(aml, 2);
    aml_integer(aml, index);
    aml_string(aml, "");
    aml_end(aml);
    aml_end(aml);
    aml_end(aml);
    aml_code(aml, AML_RETURN);
    aml_buffer(aml, &none, 1);
    aml_end(aml);
}

/* Those from first to end are behind the same bridge, `level` steps from the root. */
static void add_level(Aml *aml, const AcpiSlot *slots, unsigned count, unsigned level)
{
    for (unsigned i = 0, n; i < count; i += n) {
        uint8_t devfn = slots[i].path[level];
        bool is_device = slots[i].depth == level + 1; /* which stands before what is behind it */
        g_autofree char *name = g_strdup_printf("S%02X", devfn);

        for (n = 1; i + n < count && slots[i + n].path[level] == devfn; n++) {
            continue;
        }
        aml_device(aml, name);
        aml_name(aml, "_ADR");
        aml_integer(aml, (uint32_t)(devfn >> 3) << 16 | (devfn & 7));
        if (is_device) {
            add_dsm(aml, slots[i].index);
        }
        add_level(aml, slots + i + is_device, n - is_device, level + 1);
        aml_end(aml);
    }
}

void acpi_slots_append(Aml *aml, const GArray *slots)
{
    if (slots && slots->len) {
        add_level(aml, (const AcpiSlot *)(const void *)slots->data, slots->len, 0);
    }
}
