/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options about monitors and about the machine's life: -qmp, -chardev, -mon, -S, -action, -uuid. */
#include <errno.h>
#include <string.h>

#include "system/core/log.h"
#include "system/options.h"
#include "util/error.h"
#include "util/keyval.h"

/* "server" and "nowait" alone are what server=on and wait=off were once: still widely written. */
static char *with_long_forms(const char *text)
{
    static const char *const forms[][2] = {
        { "server", "server=on" }, { "nowait", "wait=off" }, { "wait", "wait=on" },
    };
    g_auto(GStrv) elements = g_strsplit(text, ",", -1);

    for (unsigned i = 1; elements[0] && elements[i]; i++) {
        for (unsigned k = 0; k < G_N_ELEMENTS(forms); k++) {
            if (!strcmp(elements[i], forms[k][0])) {
                g_free(elements[i]);
                elements[i] = g_strdup(forms[k][1]);
            }
        }
    }
    return g_strjoinv(",", elements);
}

static bool parse_fd(const char *text, int *fd, GError **errp)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT, &value, NULL)) {
        return error_set(errp, "Parameter 'fd' expects the number of an open file descriptor, not '%s'", text);
    }
    *fd = (int)value;
    return true;
}

/* One key of a socket. */
static bool set_socket_key(MonitorConfig *monitor, const KeyValPair *pair, bool *server, GError **errp)
{
    if (!strcmp(pair->key, "path")) {
        g_free(monitor->path);
        monitor->path = g_strdup(pair->value);
        return true;
    }
    if (!strcmp(pair->key, "fd")) {
        return parse_fd(pair->value, &monitor->fd, errp);
    }
    if (!strcmp(pair->key, "server")) {
        return keyval_bool(pair->key, pair->value, server, errp);
    }
    if (!strcmp(pair->key, "wait")) {
        return keyval_bool(pair->key, pair->value, &monitor->wait, errp);
    }
    return error_set(errp, "Invalid parameter '%s': a monitor's socket takes path, fd, server and wait", pair->key);
}

/* As for QEMU, a server waits for its first client unless wait=off says otherwise. */
static bool parse_socket(MonitorConfig *monitor, const KeyVal *kv, GError **errp)
{
    bool server = false;

    monitor->wait = true;
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        bool known = !strcmp(pair->key, "backend") || !strcmp(pair->key, "id");
        if (!known && !set_socket_key(monitor, pair, &server, errp)) {
            return false;
        }
    }
    if (!server) {
        error_set(errp, "a monitor's socket must be a server, and server=on is missing");
        error_hint(errp, "Use server=on,wait=off; this program connects to no monitor client");
        return false;
    }
    if ((monitor->path && *monitor->path) == (monitor->fd >= 0)) {
        return error_set(errp, "a monitor's socket needs either path= or fd=");
    }
    return true;
}

static MonitorConfig *new_monitor(const char *label)
{
    MonitorConfig *monitor = g_new0(MonitorConfig, 1);

    monitor->label = g_strdup(label);
    monitor->fd = -1;
    return monitor;
}

bool option_qmp(MachineConfig *config, const char *text, GError **errp)
{
    g_autofree char *label = g_strdup_printf("compat_monitor%u", config->life.monitors->len);
    g_autofree char *full = with_long_forms(text);
    MonitorConfig *monitor = new_monitor(label);

    if (!strcmp(text, "stdio")) {
        monitor->stdio = true;
    } else if (g_str_has_prefix(text, "unix:")) {
        const char *rest = full + strlen("unix:");
        g_autoptr(KeyVal) kv = keyval_parse(rest, "path", errp);
        if (!kv || !parse_socket(monitor, kv, errp)) {
            monitor_config_free(monitor);
            return false;
        }
    } else {
        monitor_config_free(monitor);
        error_set(errp, "'%s' cannot be a monitor", text);
        error_hint(errp, "Use stdio, or unix:PATH,server=on,wait=off");
        return false;
    }
    g_ptr_array_add(config->life.monitors, monitor);
    return true;
}

static MonitorConfig *find_chardev(const MachineConfig *config, const char *id)
{
    for (unsigned i = 0; i < config->life.chardevs->len; i++) {
        MonitorConfig *chardev = g_ptr_array_index(config->life.chardevs, i);
        if (!strcmp(chardev->label, id)) {
            return chardev;
        }
    }
    return NULL;
}

bool option_chardev(MachineConfig *config, const char *text, GError **errp)
{
    g_autofree char *full = with_long_forms(text);
    g_autoptr(KeyVal) kv = keyval_parse(full, "backend", errp);
    const char *backend = kv ? keyval_get(kv, "backend") : NULL, *id = kv ? keyval_get(kv, "id") : NULL;

    if (!kv) {
        return false;
    }
    if (!backend || !id) {
        return error_set(errp, "Parameter '%s' is missing", backend ? "id" : "backend");
    }
    if (find_chardev(config, id)) {
        return error_set(errp, "Duplicate ID '%s' for chardev", id);
    }
    MonitorConfig *chardev = new_monitor(id);
    g_ptr_array_add(config->life.chardevs, chardev);
    if (!strcmp(backend, "socket")) {
        return parse_socket(chardev, kv, errp);
    }
    if (strcmp(backend, "stdio")) {
        error_set(errp, "'%s' is not a chardev backend of this program", backend);
        error_hint(errp, "There are socket and stdio, both for monitors (-mon)");
        return false;
    }
    chardev->stdio = true;
    return true;
}

bool option_mon(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "chardev", errp);
    const char *mode = "readline", *chardev = NULL;
    bool pretty;

    if (!kv) {
        return false;
    }
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        if (!strcmp(pair->key, "chardev")) {
            chardev = pair->value;
        } else if (!strcmp(pair->key, "mode")) {
            mode = pair->value;
        } else if (!strcmp(pair->key, "pretty")) {
            if (!keyval_bool("pretty", pair->value, &pretty, errp)) {
                return false;
            }
        } else if (strcmp(pair->key, "id")) {
            return error_set(errp, "Invalid parameter '%s'", pair->key);
        }
    }
    if (!chardev) {
        return error_set(errp, "Parameter 'chardev' is missing");
    }
    if (strcmp(mode, "control")) {
        error_set(errp, "mode '%s' is not available: monitors of this program speak QMP only", mode);
        error_hint(errp, "Use mode=control");
        return false;
    }
    g_ptr_array_add(config->life.mon_chardevs, g_strdup(chardev));
    return true;
}

bool option_paused(MachineConfig *config, const char *text, GError **errp)
{
    config->life.start_paused = true;
    return true;
}

bool option_no_reboot(MachineConfig *config, const char *text, GError **errp)
{
    config->life.actions.reboot = QAPI_REBOOT_ACTION_SHUTDOWN;
    return true;
}

bool option_no_shutdown(MachineConfig *config, const char *text, GError **errp)
{
    config->life.actions.shutdown = QAPI_SHUTDOWN_ACTION_PAUSE;
    return true;
}

static bool set_action(const KeyValPair *pair, RunStateActions *actions, GError **errp)
{
    const char *const *names = !strcmp(pair->key, "reboot") ? qapi_RebootAction_names :
                               !strcmp(pair->key, "shutdown") ? qapi_ShutdownAction_names :
                               !strcmp(pair->key, "panic") ? qapi_PanicAction_names : NULL;

    for (unsigned i = 0; names && names[i]; i++) {
        if (!strcmp(names[i], pair->value)) {
            switch (*pair->key) {
            case 'r': actions->reboot = i; break;
            case 's': actions->shutdown = i; break;
            default: actions->panic = i; break;
            }
            return true;
        }
    }
    if (!names) {
        return error_set(errp, "Invalid parameter '%s': -action takes reboot, shutdown and panic", pair->key);
    }
    g_autofree char *all = g_strjoinv(", ", (char **)names);
    error_set(errp, "Parameter '%s' does not accept value '%s'", pair->key, pair->value);
    error_hint(errp, "It takes one of: %s", all);
    return false;
}

bool option_action(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, errp);

    for (unsigned i = 0; kv && i < kv->pairs->len; i++) {
        if (!set_action(&g_array_index(kv->pairs, KeyValPair, i), &config->life.actions, errp)) {
            return false;
        }
    }
    return kv;
}

bool option_uuid(MachineConfig *config, const char *text, GError **errp)
{
    if (!g_uuid_string_is_valid(text)) {
        return error_set(errp, "failed to parse UUID string: wrong format");
    }
    g_free(config->life.uuid);
    config->life.uuid = g_ascii_strdown(text, -1);
    return true;
}

void life_options_init(LifeOptions *life)
{
    life->actions = RUNSTATE_ACTIONS_DEFAULT;
    life->monitors = g_ptr_array_new_with_free_func((GDestroyNotify)monitor_config_free);
    life->chardevs = g_ptr_array_new_with_free_func((GDestroyNotify)monitor_config_free);
    life->mon_chardevs = g_ptr_array_new_with_free_func(g_free);
}

void life_options_clear(LifeOptions *life)
{
    g_free(life->name);
    g_free(life->uuid);
    g_free(life->pidfile);
    g_ptr_array_unref(life->monitors);
    g_ptr_array_unref(life->chardevs);
    g_ptr_array_unref(life->mon_chardevs);
}

static unsigned stdio_users(const MachineConfig *config)
{
    unsigned users = 0;

    for (unsigned i = 0; i < MAX_SERIAL_PORTS; i++) {
        users += config->serial[i] && (!strcmp(config->serial[i], "stdio") || !strcmp(config->serial[i], "mon:stdio"));
    }
    for (unsigned i = 0; i < config->life.monitors->len; i++) {
        users += ((MonitorConfig *)g_ptr_array_index(config->life.monitors, i))->stdio;
    }
    return users;
}

/* -mon may stand before its -chardev, so that they meet only here. */
bool life_options_complete(MachineConfig *config, GError **errp)
{
    LifeOptions *life = &config->life;

    for (unsigned i = 0; i < life->mon_chardevs->len; i++) {
        const char *id = g_ptr_array_index(life->mon_chardevs, i);
        MonitorConfig *chardev = find_chardev(config, id);
        if (!chardev) {
            return error_set(errp, "-mon: chardev \"%s\" not found, or used twice", id);
        }
        guint at = 0;
        g_ptr_array_find(life->chardevs, chardev, &at);
        g_ptr_array_steal_index(life->chardevs, at);
        g_ptr_array_add(life->monitors, chardev);
    }
    if (life->chardevs->len) {
        const MonitorConfig *unused = g_ptr_array_index(life->chardevs, 0);
        error_set(errp, "chardev '%s' is used by nothing", unused->label);
        error_hint(errp, "Add -mon chardev=%s,mode=control", unused->label);
        return false;
    }
    if (stdio_users(config) && config->process.daemonize) {
        error_set(errp, "%s cannot be used with -daemonize", config->nographic ? "-nographic" : "stdio");
        error_hint(errp, "Give the serial ports and monitors somewhere else to go, or use -display none and -nodefaults");
        return false;
    }
    if (stdio_users(config) > 1) {
        error_set(errp, "cannot use stdio by multiple character devices");
        error_hint(errp, "Give only one of -serial and -qmp stdio; -nographic puts a serial port there unless -serial says otherwise");
        return false;
    }
    return true;
}
