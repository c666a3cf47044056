/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev, -nic, -net. */
#include <string.h>

#include "net/netdev.h"
#include "system/options.h"
#include "util/error.h"

#define DEFAULT_CARD "virtio-net-pci"

/* One -netdev, or the network half of a -nic; opened when the machine is made. */
typedef struct NetdevOption {
    char *location;
    Netdev *netdev; /* borrowed from the tree */
} NetdevOption;

static void netdev_option_free(gpointer data)
{
    NetdevOption *option = data;

    g_free(option->location);
    g_free(option);
}

static bool add_netdev(MachineConfig *config, const char *location, const QomSettings *settings,
                       GError **errp)
{
    Netdev *netdev = netdev_create(config->root, settings, errp);

    if (!netdev) {
        return false;
    }
    NetdevOption *option = g_new0(NetdevOption, 1);
    *option = (NetdevOption) { g_strdup(location), netdev };
    g_ptr_array_add(config->netdevs, option);
    return true;
}

bool option_netdev(MachineConfig *config, const char *text, GError **errp)
{
    g_autofree char *location = g_strconcat("-netdev ", text, NULL);
    g_autoptr(JsonValue) json = NULL;
    g_autoptr(KeyVal) kv = NULL;

    if (*text == '{' ? !json_parse(text, strlen(text), &json, errp)
                     : !(kv = keyval_parse(text, "type", errp))) {
        return false;
    }
    config->nic_given = true;
    const QomSettings settings = { .json = json, .keyval = kv };
    return add_netdev(config, location, &settings, errp);
}

/* A card's own keys go to the card; what is left is the netdev's. */
static bool is_card_key(const char *key)
{
    static const char *const keys[] = { "model", "mac", "macaddr", "addr", "bus", NULL };

    return g_strv_contains(keys, key);
}

static void append_pair(GString *text, const char *key, const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);
    g_autofree char *escaped = g_strjoinv(",,", parts);

    g_string_append_printf(text, ",%s=%s", key, escaped);
}

static const char *card_type(const char *model)
{
    return !model || !strcmp(model, "virtio") ? DEFAULT_CARD : model;
}

/* -nic TYPE[,model=CARD][,mac=ADDRESS][,NETDEV'S PROPERTIES]: a netdev and a card for it. */
bool option_nic(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "type", errp);
    const char *type = kv ? keyval_get(kv, "type") : NULL;

    config->nic_given = true;
    if (!type) {
        return !kv ? false : error_set(errp, "Parameter 'type' is missing");
    }
    if (!strcmp(type, "none")) {
        return true;
    }
    g_autofree char *id = keyval_get(kv, "id") ? g_strdup(keyval_get(kv, "id"))
                                               : g_strdup_printf("nic%u", config->netdevs->len);
    g_autoptr(GString) card = g_string_new(card_type(keyval_get(kv, "model")));
    g_autoptr(GString) netdev = g_string_new(type);

    append_pair(card, "netdev", id);
    append_pair(netdev, "id", id);
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);

        if (is_card_key(pair->key)) {
            if (strcmp(pair->key, "model")) {
                append_pair(card, !strcmp(pair->key, "macaddr") ? "mac" : pair->key, pair->value);
            }
        } else if (strcmp(pair->key, "type") && strcmp(pair->key, "id")) {
            append_pair(netdev, pair->key, pair->value);
        }
    }
    return option_netdev(config, netdev->str, errp) && option_device(config, card->str, errp);
}

/* The card of a -net nic, on the netdev of that id. */
static bool add_net_card(MachineConfig *config, const KeyVal *kv, const char *netdev, GError **errp)
{
    g_autoptr(GString) card = g_string_new(card_type(keyval_get(kv, "model")));

    append_pair(card, "netdev", netdev);
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        const char *key = !strcmp(pair->key, "macaddr") ? "mac"
                          : !strcmp(pair->key, "name")  ? "id"
                                                        : pair->key;

        if (strcmp(key, "type") && strcmp(key, "model") && strcmp(key, "netdev")) {
            append_pair(card, key, pair->value);
        }
    }
    return option_device(config, card->str, errp);
}

/* The former option for both: -net nic, and -net user or another netdev; or -net nic,netdev=ID. */
bool option_net(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "type", errp);
    const char *type = kv ? keyval_get(kv, "type") : NULL;

    config->nic_given = true;
    if (!type) {
        return !kv ? false : error_set(errp, "Parameter 'type' is missing");
    }
    if (!strcmp(type, "none")) {
        return true;
    }
    bool nic = !strcmp(type, "nic");
    if (nic && keyval_get(kv, "netdev")) {
        return add_net_card(config, kv, keyval_get(kv, "netdev"), errp);
    }
    char **half = nic ? &config->net_nic : &config->net_backend;
    if (*half) {
        error_set(errp, "a second -net %s: there are no hubs", nic ? "nic" : "of that kind");
        error_hint(errp, "Use a -nic %s for each card", nic ? "user" : type);
        return false;
    }
    *half = g_strdup(text);
    return true;
}

/* -net nic and -net user belong together, in whatever order they came. */
static bool join_net(MachineConfig *config, GError **errp)
{
    if (!config->net_nic && !config->net_backend) {
        return true;
    }
    if (!config->net_nic || !config->net_backend) {
        error_set(errp, "-net %s: has no other end",
                  config->net_nic ? config->net_nic : config->net_backend);
        error_hint(errp, "Use -nic user, or add %s",
                   config->net_nic ? "-net user" : "-net nic,model=virtio");
        return false;
    }
    g_autoptr(KeyVal) nic = keyval_parse(config->net_nic, "type", errp),
                      backend = keyval_parse(config->net_backend, "type", errp);
    g_autofree char *id = g_strdup(keyval_get(backend, "id") ? keyval_get(backend, "id") : "net0");
    g_autoptr(GString) netdev = g_string_new(config->net_backend);
    if (!keyval_get(backend, "id")) {
        append_pair(netdev, "id", id);
    }
    return option_netdev(config, netdev->str, errp) && add_net_card(config, nic, id, errp);
}

bool net_options_defaults(MachineConfig *config, GError **errp)
{
    if (!join_net(config, errp)) {
        return false;
    }
    bool wanted = !config->nic_given && !config->nodefaults && !machine_is_none(config) &&
                  config->accelerator != ACCELERATOR_QTEST;

    return !wanted || option_nic(config, "user", errp);
}

void net_options_init(MachineConfig *config)
{
    config->netdevs = g_ptr_array_new_with_free_func(netdev_option_free);
}

void net_options_clear(MachineConfig *config)
{
    g_ptr_array_unref(config->netdevs);
    g_free(config->net_nic);
    g_free(config->net_backend);
}

bool net_options_open(const MachineConfig *config, GError **errp)
{
    for (unsigned i = 0; i < config->netdevs->len; i++) {
        const NetdevOption *option = g_ptr_array_index(config->netdevs, i);
        g_autoptr(GError) err = NULL;

        if (!netdev_open(option->netdev, &err)) {
            return error_set(errp, "%s: %s", option->location, err->message);
        }
    }
    return true;
}

char *netdev_option_help(QomTypes types, const char *text)
{
    if (!strcmp(text, "help") || !strcmp(text, "?")) {
        return netdevs_help(types);
    }
    if (strstr(text, "model=help") || strstr(text, "model=?")) {
        return g_strdup("Available NIC models for this configuration:\n" DEFAULT_CARD "\n");
    }
    const char *comma = strchr(text, ',');
    if (!comma || (strcmp(comma + 1, "help") && strcmp(comma + 1, "?"))) {
        return NULL;
    }
    g_autofree char *type = g_strndup(text, comma - text);
    return netdev_help(types, type);
}
