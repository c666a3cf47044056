/* SPDX-License-Identifier: GPL-2.0-or-later */
/* announce-self: frames by which switches learn behind which of their ports a guest's cards are. */
#include <stdio.h>
#include <string.h>

#include "hmp-objects.h"
#include "hw/core/device.h"
#include "net/netdev.h"
#include "util/error.h"

#define MAX_ROUNDS 1000
#define MAX_MS 100000
#define FRAME_SIZE 60

/* One card's announcement, with the rounds that are left. The netdev is kept alive by it. */
typedef struct Announcement {
    Netdev *netdev;
    uint8_t frame[FRAME_SIZE];
    int64_t rounds, delay, step, max;
} Announcement;

/*
 * RFC 903: who has the protocol address of this hardware address? Nobody answers, and switches have
 * seen the sender.
 */
static void make_frame(uint8_t *frame, const uint8_t *mac)
{
    static const uint8_t rarp[] = { 0x80, 0x35, 0, 1, 0x08, 0, 6, 4, 0, 3 };

    memset(frame, 0, FRAME_SIZE);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    memcpy(frame + 12, rarp, sizeof(rarp));
    memcpy(frame + 22, mac, 6);
    memcpy(frame + 32, mac, 6);
}

static gboolean announce(gpointer opaque)
{
    Announcement *a = opaque;
    struct iovec piece = { a->frame, FRAME_SIZE };

    netdev_lock(a->netdev);
    bool there = a->netdev->card;
    if (there) {
        netdev_send(a->netdev, &piece, 1, FRAME_SIZE);
    }
    netdev_unlock(a->netdev);
    if (there && --a->rounds > 0) {
        g_timeout_add((guint)a->delay, announce, a);
        a->delay = MIN(a->delay + a->step, a->max);
    } else {
        qom_object_unref(&a->netdev->object);
        g_free(a);
    }
    return G_SOURCE_REMOVE;
}

typedef struct Search {
    QomObject *root;
    JsonValue *arguments, *interfaces;
} Search;

static bool is_wanted(const Search *search, const char *id)
{
    size_t n = search->interfaces ? json_object_array_length(search->interfaces) : 0;

    for (size_t i = 0; i < n; i++) {
        JsonValue *name = json_object_array_get_idx(search->interfaces, i);
        if (id && !strcmp(json_object_get_string(name), id)) {
            return true;
        }
    }
    return n == 0;
}

static int64_t number(JsonValue *arguments, const char *name)
{
    return json_object_get_int64(json_object_object_get(arguments, name));
}

static void announce_card(QomObject *object, void *opaque)
{
    const Search *search = opaque;
    g_autoptr(JsonValue) mac = NULL, path = NULL;
    unsigned b[6];

    if (!qom_is(object, &device_type) || !((Device *)object)->realized ||
        !is_wanted(search, ((Device *)object)->id) ||
        !qom_property_get(object, "mac", &mac, NULL) ||
        !qom_property_get(object, "netdev", &path, NULL) || !*json_object_get_string(path) ||
        sscanf(json_object_get_string(mac), "%2x:%2x:%2x:%2x:%2x:%2x", b, b + 1, b + 2, b + 3,
               b + 4, b + 5) != 6) {
        return;
    }
    QomObject *netdev = qom_resolve(search->root, json_object_get_string(path), NULL);
    if (netdev && qom_is(netdev, &netdev_type)) {
        Announcement *a = g_new0(Announcement, 1);
        uint8_t bytes[6];

        for (unsigned i = 0; i < 6; i++) {
            bytes[i] = (uint8_t)b[i];
        }
        *a = (Announcement) {
            .netdev = NETDEV(qom_object_ref(netdev)), .rounds = number(search->arguments, "rounds"),
            .delay = number(search->arguments, "initial"),
            .step = number(search->arguments, "step"),
            .max = number(search->arguments, "max"),
        };
        make_frame(a->frame, bytes);
        announce(a);
    }
}

static bool check(JsonValue *arguments, const char *name, int64_t min, int64_t max, GError **errp)
{
    int64_t value = number(arguments, name);

    return (value >= min && value <= max) ||
           error_set(errp, "Parameter '%s' expects a value between %" G_GINT64_FORMAT " and %"
                     G_GINT64_FORMAT, name, min, max);
}

bool qmp_announce_self(QapiContext *context, JsonValue *arguments, JsonValue **result,
                       GError **errp)
{
    Search search = { context->objects, arguments,
                      json_object_object_get(arguments, "interfaces") };
    QomObject *machine = qom_object_child(context->objects, "machine");

    if (!check(arguments, "initial", 1, MAX_MS, errp) ||
        !check(arguments, "max", 1, MAX_MS, errp) ||
        !check(arguments, "rounds", 1, MAX_ROUNDS, errp) ||
        !check(arguments, "step", 0, MAX_MS, errp)) {
        return false;
    }
    if (machine) {
        qom_visit(machine, announce_card, &search);
    }
    return true;
}

/* QEMU's defaults: five rounds, 50 ms after the first and 100 ms more each time. */
void hmp_announce_self(QapiContext *context, const char *arguments, GString *out)
{
    g_autoptr(JsonValue) given = json_object_new_object(), result = NULL;
    g_autoptr(GError) err = NULL;
    g_auto(GStrv) names = g_strsplit(arguments, " ", 2);

    json_object_object_add(given, "initial", json_object_new_int64(50));
    json_object_object_add(given, "max", json_object_new_int64(550));
    json_object_object_add(given, "rounds", json_object_new_int64(5));
    json_object_object_add(given, "step", json_object_new_int64(100));
    if (names[0] && *names[0]) {
        g_auto(GStrv) ids = g_strsplit(names[0], ",", -1);
        JsonValue *list = json_object_new_array();
        for (char **id = ids; *id; id++) {
            json_object_array_add(list, json_object_new_string(*id));
        }
        json_object_object_add(given, "interfaces", list);
    }
    if (!qmp_announce_self(context, given, &result, &err)) {
        g_string_append_printf(out, "Error: %s\n", err->message);
    }
}
