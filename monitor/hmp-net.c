/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands for people about the network. */
#include <string.h>

#include "hmp-info.h"
#include "hmp-objects.h"
#include "hw/core/device.h"
#include "net/netdev-user.h"
#include "util/error.h"
#include "util/keyval.h"

static void show_error(const GError *err, GString *out)
{
    g_string_append_printf(out, "Error: %s\n", err->message);
}

void hmp_netdev_add(QapiContext *context, const char *arguments, GString *out)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(KeyVal) kv = keyval_parse(arguments, "type", &err);
    Netdev *netdev = kv ? netdev_create(context->objects, &(QomSettings){ .keyval = kv },
                                        &err) : NULL;

    if (netdev) {
        netdev->port = &context->netdevs;
    }
    if (!netdev || !netdev_open(netdev, &err)) {
        show_error(err, out);
    }
}

/*
 * The first netdev of type user, or the one that the arguments begin with; *rest: what follows.
 * NULL: told why.
 */
static Netdev *user_netdev(QapiContext *context, const char *arguments, const char **rest,
                           GString *out)
{
    const GPtrArray *netdevs = qom_container_get(context->objects, "/netdevs")->children;
    const char *space = strchr(arguments, ' ');
    g_autofree char *id = space ? g_strndup(arguments, space - arguments) : NULL;

    *rest = space ? space + 1 : arguments;
    for (unsigned i = 0; netdevs && i < netdevs->len; i++) {
        QomObject *object = g_ptr_array_index(netdevs, i);
        if (object->type == &netdev_user_type && (!id || !strcmp(object->name, id))) {
            return NETDEV(object);
        }
    }
    g_string_append_printf(out,
                           id ? "Error: there is no -netdev user with the id '%s'\n"
                              : "Error: there is no -netdev user%s\n",
                           id ? id : "");
    return NULL;
}

typedef bool ForwardFn(Netdev *netdev, const char *text, GError **errp);

static void forward(QapiContext *context, const char *arguments, ForwardFn *run, GString *out)
{
    const char *rest;
    Netdev *netdev = user_netdev(context, arguments, &rest, out);
    g_autoptr(GError) err = NULL;

    if (netdev && !run(netdev, rest, &err)) {
        show_error(err, out);
    }
}

void hmp_hostfwd_add(QapiContext *context, const char *arguments, GString *out)
{
    forward(context, arguments, netdev_user_add_forward, out);
}

void hmp_hostfwd_remove(QapiContext *context, const char *arguments, GString *out)
{
    forward(context, arguments, netdev_user_remove_forward, out);
}

static void describe_user(QomObject *object, void *opaque)
{
    if (object->type == &netdev_user_type) {
        g_autofree char *text = netdev_user_connections(NETDEV(object));
        g_string_append_printf(opaque, "%s:\n%s", object->name, text);
    }
}

void hmp_info_usernet(QapiContext *context, const char *arguments, GString *out)
{
    qom_visit(qom_container_get(context->objects, "/netdevs"), describe_user, out);
}

/*
 * ---- info network: each card with the netdev that it is connected to, then the netdevs that no
 * card has ----
 */

static void describe_netdev(Netdev *netdev, const char *before, GString *out)
{
    const NetdevOps *ops = qom_type_ops(netdev->object.type);
    g_autofree char *details = ops->describe ? ops->describe(netdev) : NULL;

    g_string_append_printf(out, "%s%s: index=0,type=%s%s%s%s\n", before, netdev->id,
                           netdev->object.type->name + strlen("netdev-"), details ? "," : "",
                           details ? details : "", netdev->link_down ? " (link down)" : "");
}

static JsonValue *property(QomObject *object, const char *name)
{
    JsonValue *value = NULL;

    qom_property_get(object, name, &value, NULL);
    return value;
}

typedef struct Cards {
    QomObject *root;
    GString *out;
    unsigned count;
} Cards;

static void describe_card(QomObject *object, void *opaque)
{
    Cards *cards = opaque;

    if (!qom_is(object, &device_type)) {
        return;
    }
    g_autoptr(JsonValue) mac = property(object, "mac"),
                         path = mac ? property(object, "netdev") : NULL;
    if (!mac || !((Device *)object)->realized) {
        return;
    }
    const char *id = ((Device *)object)->id;
    g_autofree char *number =
        id ? NULL : g_strdup_printf("%s.%u", object->type->name, cards->count);
    cards->count++;
    g_string_append_printf(cards->out, "%s: index=0,type=nic,model=%s,macaddr=%s\n",
                           id ? id : number, object->type->name, json_object_get_string(mac));
    QomObject *netdev = path && *json_object_get_string(path)
                            ? qom_resolve(cards->root, json_object_get_string(path), NULL)
                            : NULL;
    if (netdev && qom_is(netdev, &netdev_type)) {
        describe_netdev(NETDEV(netdev), " \\ ", cards->out);
    }
}

static void describe_alone(QomObject *object, void *opaque)
{
    if (qom_is(object, &netdev_type) && !NETDEV(object)->card) {
        describe_netdev(NETDEV(object), "", opaque);
    }
}

void hmp_info_network(QapiContext *context, const char *arguments, GString *out)
{
    Cards cards = { context->objects, out, 0 };
    QomObject *machine = qom_object_child(context->objects, "machine");

    if (machine) {
        qom_visit(machine, describe_card, &cards);
    }
    qom_visit(qom_container_get(context->objects, "/netdevs"), describe_alone, out);
}
