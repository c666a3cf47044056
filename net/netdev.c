/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netdevs of all types: making and ending them, the way of a frame, waiting for a card. */
#include "net/netdev.h"

#include <string.h>

#include "util/error.h"
#include "util/names.h"

#define NETDEVS "/netdevs"
#define TYPE_PREFIX "netdev-"
/* Frames that wait for a card: more than a driver's ring of buffers holds would only be late. */
#define MAX_WAITING 256

static const NetdevOps *ops_of(const Netdev *netdev)
{
    return qom_type_ops(netdev->object.type);
}

static void drop_waiting(Netdev *netdev)
{
    GBytes *frame;

    while ((frame = g_queue_pop_head(&netdev->waiting))) {
        g_bytes_unref(frame);
    }
}

static void netdev_init(QomObject *object)
{
    g_queue_init(&((Netdev *)object)->waiting);
}

static void netdev_finalize(QomObject *object)
{
    Netdev *netdev = (Netdev *)object;

    if (object->complete) {
        ops_of(netdev)->close(netdev);
    }
    drop_waiting(netdev);
    g_free(netdev->id);
}

static bool netdev_complete(QomObject *object, GError **errp)
{
    Netdev *netdev = (Netdev *)object;

    if (!ops_of(netdev)->open(netdev, errp)) {
        ops_of(netdev)->close(netdev);
        return false;
    }
    return true;
}

const QomType netdev_type = {
    .name = "netdev", .parent = &qom_object_type, .abstract = true, .size = sizeof(Netdev),
    .fixed_because = "it is in use", .init = netdev_init, .complete = netdev_complete,
    .finalize = netdev_finalize,
};

/* Types ---------------------------------------------------------------------------------------- */

static bool is_netdev(const QomType *type)
{
    return !type->abstract && qom_type_is(type, &netdev_type);
}

/* Types that QEMU has besides, and what does the same here. */
static const char *instead_of(const char *name)
{
    static const struct {
        const char *name, *hint;
    } absent[] = {
        { "bridge", "Make the interface first (ip tuntap add dev tap0 mode tap user $USER; ip link "
                    "set tap0 up master br0), and use tap,ifname=tap0,script=no,downscript=no" },
        { "socket", "Use stream: addr.type=unix,addr.path=PATH, or "
                    "addr.type=inet,addr.host=HOST,addr.port=PORT" },
        { "hubport", "There are no hubs: give each card a netdev of its own" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(absent); i++) {
        if (!strcmp(name, absent[i].name)) {
            return absent[i].hint;
        }
    }
    return NULL;
}

static const QomType *find_type(QomTypes types, const char *name, GError **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (unsigned i = 0; types[i]; i++) {
        if (is_netdev(types[i])) {
            const char *known = types[i]->name + strlen(TYPE_PREFIX);
            if (!strcmp(known, name)) {
                return types[i];
            }
            g_ptr_array_add(names, (void *)known);
        }
    }
    g_ptr_array_add(names, NULL);
    error_set(errp, "Parameter 'type' does not accept value '%s'", name);
    if (instead_of(name)) {
        error_hint(errp, "%s", instead_of(name));
    } else {
        error_hint_names(errp, name, (const char *const *)names->pdata);
    }
    return NULL;
}

static int compare_types(const void *a, const void *b)
{
    return strcmp((*(const QomType *const *)a)->name, (*(const QomType *const *)b)->name);
}

char *netdevs_help(QomTypes types)
{
    GString *text = g_string_new("Available netdev backend types:\n");
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    for (unsigned i = 0; types[i]; i++) {
        if (is_netdev(types[i])) {
            g_ptr_array_add(found, (void *)types[i]);
        }
    }
    g_ptr_array_sort(found, compare_types);
    for (unsigned i = 0; i < found->len; i++) {
        const QomType *type = g_ptr_array_index(found, i);
        g_string_append_printf(text, "%-10s %s\n", type->name + strlen(TYPE_PREFIX),
                               type->description ? type->description : "");
    }
    return g_string_free(text, FALSE);
}

char *netdev_help(QomTypes types, const char *name)
{
    const QomType *type = find_type(types, name, NULL);

    return type ? qom_type_help(type) : NULL;
}

/* Life ----------------------------------------------------------------------------------------- */

static char *setting(const QomSettings *settings, const char *name)
{
    return g_strdup(settings->json ? json_member_string(settings->json, name)
                                   : keyval_get(settings->keyval, name));
}

/*
 * In JSON a list of {"str": TEXT} stands for what is a key given several times elsewhere (QEMU's
 * hostfwd). True: it was one.
 */
static bool set_list(QomObject *object, const char *name, JsonValue *value, bool *ok, GError **errp)
{
    if (!json_object_is_type(value, json_type_array)) {
        return false;
    }
    *ok = true;
    for (size_t i = 0; *ok && i < json_object_array_length(value); i++) {
        const char *text = json_member_string(json_object_array_get_idx(value, i), "str");
        *ok =
            text ? qom_property_set_text(object, name, text, errp)
                 : error_set(errp,
                             "Invalid parameter type for '%s', expected: a list of {\"str\": TEXT}",
                             name);
    }
    return true;
}

static bool set_properties(QomObject *object, const QomSettings *settings, GError **errp)
{
    QomSettings rest = *settings;
    g_autoptr(JsonValue) plain = NULL;
    bool ok = true;

    if (settings->json) {
        rest.json = plain = json_object_new_object();
        json_object_object_foreach(settings->json, name, value) {
            if (!set_list(object, name, value, &ok, errp)) {
                json_object_object_add(plain, name, json_object_get(value));
            } else if (!ok) {
                return false;
            }
        }
    }
    return qom_set_all(object, &rest, errp);
}

Netdev *netdev_create(QomObject *root, const QomSettings *settings, GError **errp)
{
    static const char *const skip[] = { "type", "id", NULL };
    g_autofree char *type_name = setting(settings, "type"), *id = setting(settings, "id");
    QomSettings own = *settings;

    if (!type_name || !id) {
        error_set(errp, "Parameter '%s' is missing", type_name ? "id" : "type");
        return NULL;
    }
    const QomType *type = find_type(qom_object_types(root), type_name, errp);
    if (!type || !qom_check_id(id, errp)) {
        return NULL;
    }
    QomObject *container = qom_container_get(root, NETDEVS);
    if (qom_object_child(container, id)) {
        error_set(errp, "Duplicate ID '%s' for netdev", id);
        return NULL;
    }
    g_autoptr(QomObject) object = qom_object_new(type);
    Netdev *netdev = NETDEV(object);
    netdev->id = g_steal_pointer(&id);
    own.skip = skip;
    if (!set_properties(object, &own, errp) ||
        !qom_object_add_child(container, netdev->id, object, errp)) {
        return NULL;
    }
    return netdev;
}

static void set_port(QomObject *object, void *opaque)
{
    if (qom_is(object, &netdev_type)) {
        NETDEV(object)->port = opaque;
    }
}

void netdevs_set_port(QomObject *root, const NetdevPort *port)
{
    qom_visit(qom_container_get(root, NETDEVS), set_port, (void *)port);
}

bool netdev_open(Netdev *netdev, GError **errp)
{
    if (!qom_object_complete(&netdev->object, errp)) {
        qom_object_unparent(&netdev->object);
        return false;
    }
    return true;
}

bool netdev_delete(QomObject *root, const char *id, GError **errp)
{
    QomObject *object = qom_object_child(qom_container_get(root, NETDEVS), id);

    if (!object) {
        return error_set(errp, "Device '%s' not found", id);
    }
    if (object->users || NETDEV(object)->card) {
        error_set(errp, "netdev '%s' is in use by a network card", id);
        error_hint(errp, "Remove the card with device_del first");
        return false;
    }
    qom_object_unparent(object);
    return true;
}

/* Frames --------------------------------------------------------------------------------------- */

bool netdev_attach(Netdev *netdev, const NetCard *card, GError **errp)
{
    if (netdev->card) {
        error_set(errp, "netdev '%s' has a network card already", netdev->id);
        error_hint(errp, "Each card needs a netdev of its own");
        return false;
    }
    netdev->card = card;
    if (ops_of(netdev)->card_changed) {
        ops_of(netdev)->card_changed(netdev);
    }
    return true;
}

void netdev_detach(Netdev *netdev)
{
    netdev->card = NULL;
    drop_waiting(netdev);
    if (ops_of(netdev)->card_changed) {
        ops_of(netdev)->card_changed(netdev);
    }
}

void netdev_send(Netdev *netdev, const struct iovec *pieces, unsigned count, size_t size)
{
    if (!netdev->link_down && size && size <= NET_MAX_FRAME) {
        ops_of(netdev)->send(netdev, pieces, count, size);
    }
}

void netdev_card_ready(Netdev *netdev)
{
    GBytes *frame;

    while (netdev->card && (frame = g_queue_peek_head(&netdev->waiting))) {
        gsize size;
        const uint8_t *data = g_bytes_get_data(frame, &size);

        if (!netdev->card->receive(netdev->card->opaque, data, size)) {
            return;
        }
        g_bytes_unref(g_queue_pop_head(&netdev->waiting));
    }
}

void netdev_deliver(Netdev *netdev, const uint8_t *frame, size_t size)
{
    if (!netdev->card || netdev->link_down || !size || size > NET_MAX_FRAME) {
        netdev->dropped++;
    } else if (g_queue_is_empty(&netdev->waiting) &&
               netdev->card->receive(netdev->card->opaque, frame, size)) {
        return;
    } else if (g_queue_get_length(&netdev->waiting) < MAX_WAITING) {
        g_queue_push_tail(&netdev->waiting, g_bytes_new(frame, size));
    } else {
        netdev->dropped++;
    }
}

void netdev_set_link(Netdev *netdev, bool up)
{
    if (netdev->link_down == !up) {
        return;
    }
    netdev->link_down = !up;
    drop_waiting(netdev);
    if (netdev->card && netdev->card->link_changed) {
        netdev->card->link_changed(netdev->card->opaque);
    }
}

void netdev_lock(Netdev *netdev)
{
    if (netdev->card && netdev->card->machine_lock) {
        g_mutex_lock(netdev->card->machine_lock);
    }
}

void netdev_unlock(Netdev *netdev)
{
    if (netdev->card && netdev->card->machine_lock) {
        g_mutex_unlock(netdev->card->machine_lock);
    }
}
