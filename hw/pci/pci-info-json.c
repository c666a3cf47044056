/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions of a bus as clients of QMP are told (PciInfo of qapi/pci.json). */
#include "hw/pci/pci-info.h"
#include "pci-internal.h"

static void add_u64(JsonValue *object, const char *name, uint64_t value)
{
    json_object_object_add(object, name, json_object_new_uint64(value));
}

static void add_register(JsonValue *object, const char *name, const PciFunction *function,
                         unsigned offset, unsigned size)
{
    add_u64(object, name, pci_config_get(function, offset, size));
}

static void add_range(JsonValue *object, const char *name, uint64_t base, uint64_t limit)
{
    JsonValue *range = json_object_new_object();

    add_u64(range, "base", base);
    add_u64(range, "limit", limit);
    json_object_object_add(object, name, range);
}

static JsonValue *class_json(const PciFunction *function)
{
    unsigned class_device = pci_config_get(function, PCI_CLASS_DEVICE, 2);
    const char *name = pci_class_name(class_device);
    JsonValue *info = json_object_new_object();

    if (name) {
        json_object_object_add(info, "desc", json_object_new_string(name));
    }
    add_u64(info, "class", class_device);
    return info;
}

static JsonValue *id_json(const PciFunction *function)
{
    JsonValue *id = json_object_new_object();

    add_register(id, "device", function, PCI_DEVICE_ID, 2);
    add_register(id, "vendor", function, PCI_VENDOR_ID, 2);
    if (!function->bridge) {
        add_register(id, "subsystem", function, PCI_SUBSYSTEM_ID, 2);
        add_register(id, "subsystem-vendor", function, PCI_SUBSYSTEM_VENDOR_ID, 2);
    }
    return id;
}

static JsonValue *regions_json(const PciFunction *function)
{
    JsonValue *list = json_object_new_array();

    for (unsigned i = 0; i < PCI_NUM_BARS; i++) {
        const PciBar *bar = &function->bars[i];
        if (!bar->size) {
            continue;
        }
        JsonValue *region = json_object_new_object();
        bool memory = bar->kind != PCI_BAR_IO;
        add_u64(region, "bar", i);
        json_object_object_add(region, "type", json_object_new_string(memory ? "memory" : "io"));
        /* -1: not mapped */
        json_object_object_add(region, "address", json_object_new_int64((int64_t)bar->address));
        add_u64(region, "size", bar->size);
        if (memory) {
            json_object_object_add(
                region, "prefetch",
                json_object_new_boolean(bar->kind == PCI_BAR_MEM64_PREFETCHABLE));
            json_object_object_add(region, "mem_type_64",
                                   json_object_new_boolean(bar->kind != PCI_BAR_MEM32));
        }
        json_object_array_add(list, region);
    }
    return list;
}

/* PCI-to-PCI Bridge Architecture 1.2, 3.2.5 */
static JsonValue *windows_json(const PciFunction *f)
{
    const uint64_t upper = (uint64_t)pci_config_get(f, PCI_PREF_BASE_UPPER, 4) << 32,
                   upper_end = (uint64_t)pci_config_get(f, PCI_PREF_LIMIT_UPPER, 4) << 32;
    JsonValue *bus = json_object_new_object();

    add_register(bus, "number", f, PCI_PRIMARY_BUS, 1);
    add_register(bus, "secondary", f, PCI_SECONDARY_BUS, 1);
    add_register(bus, "subordinate", f, PCI_SUBORDINATE_BUS, 1);
    add_range(bus, "io_range", (pci_config_get(f, PCI_IO_BASE, 1) & 0xf0) << 8,
              (pci_config_get(f, PCI_IO_LIMIT, 1) & 0xf0) << 8 | 0xfff);
    add_range(bus, "memory_range", (uint64_t)(pci_config_get(f, PCI_MEMORY_BASE, 2) & 0xfff0) << 16,
              (uint64_t)(pci_config_get(f, PCI_MEMORY_LIMIT, 2) & 0xfff0) << 16 | 0xfffff);
    add_range(bus, "prefetchable_range",
              upper | (uint64_t)(pci_config_get(f, PCI_PREF_BASE, 2) & 0xfff0) << 16,
              upper_end | (uint64_t)(pci_config_get(f, PCI_PREF_LIMIT, 2) & 0xfff0) << 16 |
                  0xfffff);
    return bus;
}

static unsigned bus_number(const PciBus *bus)
{
    return bus->bridge ? pci_config_get(bus->bridge, PCI_SECONDARY_BUS, 1) : 0;
}

static JsonValue *function_json(PciFunction *function, PciIdFn *id_of, void *opaque)
{
    JsonValue *info = json_object_new_object();
    unsigned pin = pci_config_get(function, PCI_INTERRUPT_PIN, 1);
    const char *id = id_of(function, opaque);

    add_u64(info, "bus", bus_number(function->bus));
    add_u64(info, "slot", PCI_SLOT(function->devfn));
    add_u64(info, "function", function->devfn & 7);
    json_object_object_add(info, "class_info", class_json(function));
    json_object_object_add(info, "id", id_json(function));
    if (pin) {
        add_register(info, "irq", function, PCI_INTERRUPT_LINE, 1);
    }
    add_u64(info, "irq_pin", pin);
    json_object_object_add(info, "qdev_id", json_object_new_string(id ? id : ""));
    json_object_object_add(info, "regions", regions_json(function));
    if (function->bridge) {
        JsonValue *bridge = json_object_new_object();
        json_object_object_add(bridge, "bus", windows_json(function));
        json_object_object_add(bridge, "devices",
                               pci_bus_json(function->bridge->bus, id_of, opaque));
        json_object_object_add(info, "pci_bridge", bridge);
    }
    return info;
}

JsonValue *pci_bus_json(const PciBus *bus, PciIdFn *id_of, void *opaque)
{
    JsonValue *list = json_object_new_array();

    for (unsigned devfn = 0; devfn < PCI_DEVFN_COUNT; devfn++) {
        if (bus->functions[devfn]) {
            json_object_array_add(list, function_json(bus->functions[devfn], id_of, opaque));
        }
    }
    return list;
}
