/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about the network: netdevs and their links. */
#include <string.h>

#include "hw/core/device.h"
#include "hw/virtio/virtio-net.h"
#include "monitor-internal.h"
#include "net/netdev.h"
#include "util/error.h"

bool qmp_netdev_add(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const QomSettings settings = { .json = arguments };
    Netdev *netdev = netdev_create(context->objects, &settings, errp);

    if (netdev) {
        netdev->port = &context->netdevs;
    }
    return netdev && netdev_open(netdev, errp);
}

bool qmp_netdev_del(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const char *id = json_member_string(arguments, "id");

    if (!qom_object_child(qom_container_get(context->objects, "/netdevs"), id)) {
        return qmp_error_set(errp, QMP_DEVICE_NOT_FOUND, "Device '%s' not found", id);
    }
    return netdev_delete(context->objects, id, errp);
}

/* A netdev by its own id, or by that of a card: a device with a link named netdev. */
static Netdev *find_netdev(QomObject *root, const char *name)
{
    QomObject *object = qom_object_child(qom_container_get(root, "/netdevs"), name);
    QomObject *card = object ? NULL : qom_resolve(root, name, NULL);
    g_autoptr(JsonValue) path = NULL;

    if (card && qom_is(card, &device_type) && qom_property_get(card, "netdev", &path, NULL) &&
        path) {
        object = qom_resolve(root, json_object_get_string(path), NULL);
    }
    return object && qom_is(object, &netdev_type) ? NETDEV(object) : NULL;
}

bool qmp_set_link(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const char *name = json_member_string(arguments, "name");
    Netdev *netdev = find_netdev(context->objects, name);
    JsonValue *up;

    if (!netdev) {
        return qmp_error_set(errp, QMP_DEVICE_NOT_FOUND, "Device '%s' not found", name);
    }
    json_object_object_get_ex(arguments, "up", &up);
    netdev_lock(netdev);
    netdev_set_link(netdev, json_object_get_boolean(up));
    netdev_unlock(netdev);
    return true;
}

typedef struct Cards {
    const char *name; /* NULL: all */
    JsonValue *list;
    bool found, other; /* there is one of the name; but it has no filters to show */
} Cards;

static void show_filter(QomObject *object, void *opaque)
{
    Cards *cards = opaque;
    Device *device = qom_is(object, &device_type) ? (Device *)object : NULL;

    if (!device || !device->realized ||
        (cards->name && (!device->id || strcmp(device->id, cards->name)))) {
        return;
    }
    JsonValue *info = virtio_net_pci_rx_filter(device);
    cards->found = true;
    cards->other = !info;
    if (info) {
        json_object_array_add(cards->list, info);
    }
}

bool qmp_query_rx_filter(QapiContext *context, JsonValue *arguments, JsonValue **result,
                         GError **errp)
{
    g_autoptr(JsonValue) list = json_object_new_array();
    Cards cards = { json_member_string(arguments, "name"), list, false, false };
    QomObject *machine = qom_object_child(context->objects, "machine");

    if (machine) {
        qom_visit(machine, show_filter, &cards);
    }
    if (cards.name && !cards.found && find_netdev(context->objects, cards.name)) {
        return error_set(errp, "net client(%s) isn't a NIC", cards.name);
    }
    if (cards.name && !cards.found) {
        return error_set(errp, "invalid net client name: %s", cards.name);
    }
    if (cards.name && cards.other) {
        return error_set(errp, "net client(%s) doesn't support rx-filter querying", cards.name);
    }
    *result = g_steal_pointer(&list);
    return true;
}
