/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest's PCI buses have on them: query-pci and info pci. */
#include "hmp-info.h"
#include "hw/i386/q35-devices.h"
#include "hw/pci/pci-device.h"
#include "hw/pci/pci-info.h"

typedef struct Search {
    const PciFunction *function;
    const char *id;
} Search;

static void look_at(QomObject *object, void *opaque)
{
    Search *search = opaque;

    if (qom_is(object, &pci_device_type) && PCI_DEVICE(object)->function == search->function) {
        search->id = DEVICE(object)->id;
    }
}

static const char *id_of(PciFunction *function, void *machine)
{
    Search search = { function, NULL };

    qom_visit(machine, look_at, &search);
    return search.id;
}

bool qmp_query_pci(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    QomObject *machine = qom_object_child(context->objects, "machine");

    *result = json_object_new_array();
    if (context->board) {
        JsonValue *info = json_object_new_object();
        json_object_object_add(info, "bus", json_object_new_int(0));
        g_mutex_lock(&context->board->lock);
        json_object_object_add(info, "devices",
                               pci_bus_json(context->board->devices->pci, id_of, machine));
        g_mutex_unlock(&context->board->lock);
        json_object_array_add(*result, info);
    }
    return true;
}

typedef struct Listing {
    QomObject *machine;
    GString *out;
} Listing;

static void describe_function(PciFunction *function, void *opaque)
{
    const Listing *listing = opaque;

    pci_function_describe(function, id_of(function, listing->machine), listing->out);
}

void hmp_info_pci(QapiContext *context, const char *arguments, GString *out)
{
    Listing listing = { qom_object_child(context->objects, "machine"), out };

    if (!context->board) {
        g_string_append(out, "PCI not supported\n");
        return;
    }
    g_mutex_lock(&context->board->lock);
    pci_bus_foreach(context->board->devices->pci, describe_function, &listing);
    g_mutex_unlock(&context->board->lock);
}
