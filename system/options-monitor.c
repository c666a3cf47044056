/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options about chardevs, monitors and the machine's life: -serial, -monitor, -qmp, -chardev, -mon,
 * -add-fd, -S, -action, -uuid.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "system/core/log.h"
#include "monitor/monitor-object.h"
#include "system/options.h"
#include "util/error.h"
#include "util/keyval.h"

static bool add_chardev(MachineConfig *config, ChardevConfig *chardev, GError **errp)
{
    if (!chardev) {
        return false;
    }
    for (unsigned i = 0; i < config->life.chardevs->len; i++) {
        const ChardevConfig *other = g_ptr_array_index(config->life.chardevs, i);

        if (!strcmp(other->id, chardev->id)) {
            error_set(errp, "Duplicate ID '%s' for chardev", chardev->id);
            chardev_config_free(chardev);
            return false;
        }
    }
    g_ptr_array_add(config->life.chardevs, chardev);
    return true;
}

static void add_monitor(MachineConfig *config, const char *id, const char *chardev, bool for_people,
                        bool pretty)
{
    MonitorConfig *monitor = g_new0(MonitorConfig, 1);

    monitor->id = g_strdup(id);
    monitor->chardev = g_strdup(chardev);
    monitor->for_people = for_people;
    monitor->pretty = pretty;
    g_ptr_array_add(config->life.monitors, monitor);
}

/*
 * -monitor, -qmp and -qmp-pretty: a monitor, and a chardev of its own unless "chardev:ID" names
 * one.
 */
static bool add_compat_monitor(MachineConfig *config, const char *text, bool for_people,
                               bool pretty, GError **errp)
{
    g_autofree char *label = g_strdup_printf("compat_monitor%u", config->life.monitors->len);

    if (!strcmp(text, "none")) {
        return true;
    }
    if (g_str_has_prefix(text, "chardev:")) {
        add_monitor(config, label, text + strlen("chardev:"), for_people, pretty);
        return true;
    }
    if (!add_chardev(config, chardev_config_parse_device(label, text, errp), errp)) {
        return false;
    }
    add_monitor(config, label, label, for_people, pretty);
    return true;
}

bool option_monitor(MachineConfig *config, const char *text, GError **errp)
{
    config->life.monitor_given = true;
    return add_compat_monitor(config, text, true, false, errp);
}

bool option_qmp(MachineConfig *config, const char *text, GError **errp)
{
    return add_compat_monitor(config, text, false, false, errp);
}

bool option_qmp_pretty(MachineConfig *config, const char *text, GError **errp)
{
    return add_compat_monitor(config, text, false, true, errp);
}

bool option_serial(MachineConfig *config, const char *text, GError **errp)
{
    unsigned n = 0;

    while (n < MAX_SERIAL_PORTS && config->serial[n]) {
        n++;
    }
    if (n == MAX_SERIAL_PORTS) {
        return error_set(errp, "too many serial ports: the machine has %d", MAX_SERIAL_PORTS);
    }
    if (!strcmp(text, "none") || g_str_has_prefix(text, "chardev:")) {
        config->serial[n] = g_strdup(text[0] == 'n' ? text : text + strlen("chardev:"));
        return true;
    }
    g_autofree char *id = g_strdup_printf("serial%u", n);
    ChardevConfig *chardev = chardev_config_parse_device(id, text, errp);
    if (!add_chardev(config, chardev, errp)) {
        return false;
    }
    config->serial[n] = g_strdup(id);
    if (chardev->monitor) {
        config->life.monitor_given = true;
        add_monitor(config, id, id, true, false);
    }
    return true;
}

bool option_chardev(MachineConfig *config, const char *text, GError **errp)
{
    ChardevConfig *chardev = chardev_config_parse(text, errp);

    if (chardev && !qom_check_id(chardev->id, errp)) {
        chardev_config_free(chardev);
        return false;
    }
    return add_chardev(config, chardev, errp);
}

/*
 * The port that firmware built for debugging writes to: 0xe9 unless -global isa-debugcon.iobase=
 * says otherwise.
 */
bool option_debugcon(MachineConfig *config, const char *text, GError **errp)
{
    static const char label[] = "debugcon";
    bool named = g_str_has_prefix(text, "chardev:");

    if (!strcmp(text, "none")) {
        return true;
    }
    if (!named && !add_chardev(config, chardev_config_parse_device(label, text, errp), errp)) {
        return false;
    }
    g_autofree char *device = g_strdup_printf("isa-debugcon,chardev=%s",
                                              named ? text + strlen("chardev:") : label);
    return option_device(config, device, errp);
}

bool option_add_fd(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, errp);
    guint64 fd, set;

    for (unsigned i = 0; kv && i < kv->pairs->len; i++) {
        const char *key = g_array_index(kv->pairs, KeyValPair, i).key;
        if (strcmp(key, "fd") && strcmp(key, "set") && strcmp(key, "opaque")) {
            error_set(errp, "Invalid parameter '%s'", key);
            error_hint(errp, "-add-fd takes fd, set and opaque");
            return false;
        }
    }
    if (!kv) {
        return false;
    }
    const char *fd_text = keyval_get(kv, "fd"), *set_text = keyval_get(kv, "set");
    if (!fd_text || !g_ascii_string_to_unsigned(fd_text, 10, 0, G_MAXINT, &fd, NULL)) {
        return error_set(errp, "fd option is required and must be non-negative");
    }
    if (fd <= 2) {
        return error_set(errp, "fd cannot be a standard I/O stream");
    }
    if (!set_text || !g_ascii_string_to_unsigned(set_text, 10, 0, G_MAXINT64, &set, NULL)) {
        return error_set(errp, "set option is required and must be non-negative");
    }
    AddFdOption option = { (int)fd, (int64_t)set, g_strdup(keyval_get(kv, "opaque")) };
    g_array_append_val(config->life.fds, option);
    return true;
}

bool machine_config_add_fds(const MachineConfig *config, FdSets *sets, GError **errp)
{
    const GArray *options = config->life.fds;

    for (unsigned i = 0; i < options->len; i++) {
        const AddFdOption *option = &g_array_index(options, AddFdOption, i);
        int64_t set = option->set;
        int flags = fcntl(option->fd, F_GETFD), fd = -1;

        if (flags < 0 || (flags & FD_CLOEXEC) || (fd = fcntl(option->fd, F_DUPFD_CLOEXEC, 0)) < 0) {
            return error_set(errp, "-add-fd fd=%d: fd is not valid or already in use", option->fd);
        }
        if (!fd_sets_add(sets, &set, fd, option->text, errp)) {
            close(fd);
            return false;
        }
    }
    for (unsigned i = 0; i < options->len; i++) {
        close(g_array_index(options, AddFdOption, i).fd); /* the same may have been named twice */
    }
    return true;
}

Kvm *machine_config_open_kvm(const MachineConfig *config, FdSets *sets, GError **errp)
{
    const char *device = config->kvm_device;
    g_autoptr(GError) err = NULL;
    Kvm *kvm;

    if (!device) {
        return kvm_open(errp);
    }
    if (g_str_has_prefix(device, BLOCK_FDSET)) {
        int fd = fd_sets_open(sets, device, O_RDWR, &err);
        kvm = fd < 0 ? NULL : kvm_open_fd(fd, device, &err);
    } else {
        kvm = kvm_open_device(device, &err);
    }
    if (!kvm) {
        error_set(errp, "-accel kvm,device=%s: %s", device, err->message);
    }
    return kvm;
}

static void add_fd_clear(gpointer opaque)
{
    g_free(((AddFdOption *)opaque)->text);
}

bool option_mon(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "chardev", errp);
    const char *mode = "readline", *chardev = NULL, *id = NULL;
    bool pretty = false;

    if (!kv) {
        return false;
    }
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        if (!strcmp(pair->key, "chardev")) {
            chardev = pair->value;
        } else if (!strcmp(pair->key, "mode")) {
            mode = pair->value;
        } else if (!strcmp(pair->key, "id")) {
            id = pair->value;
        } else if (strcmp(pair->key, "pretty")) {
            error_set(errp, "Invalid parameter '%s'", pair->key);
            error_hint(errp, "-mon takes chardev, mode, pretty and id");
            return false;
        } else if (!keyval_bool("pretty", pair->value, &pretty, errp)) {
            return false;
        }
    }
    if (!chardev) {
        return error_set(errp, "Parameter 'chardev' is missing");
    }
    if (strcmp(mode, "control") && strcmp(mode, "readline")) {
        return error_set(errp,
                         "Parameter 'mode' does not accept value '%s': use control or readline",
                         mode);
    }
    add_monitor(config, id ? id : chardev, chardev, !strcmp(mode, "readline"), pretty);
    config->life.monitor_given = true;
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
                               !strcmp(pair->key, "panic") ? qapi_PanicAction_names :
                               !strcmp(pair->key, "watchdog") ? qapi_WatchdogAction_names : NULL;

    for (unsigned i = 0; names && names[i]; i++) {
        if (!strcmp(names[i], pair->value)) {
            switch (*pair->key) {
            case 'r': actions->reboot = i; break;
            case 's': actions->shutdown = i; break;
            case 'p': actions->panic = i; break;
            default:
                actions->watchdog = i;
                return i != QAPI_WATCHDOG_ACTION_INJECT_NMI || runstate_refuse_nmi(errp);
            }
            return true;
        }
    }
    if (!names) {
        return error_set(
            errp, "Invalid parameter '%s': -action takes reboot, shutdown, panic and watchdog",
            pair->key);
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
    life->chardevs = g_ptr_array_new_with_free_func((GDestroyNotify)chardev_config_free);
    life->fds = g_array_new(FALSE, FALSE, sizeof(AddFdOption));
    g_array_set_clear_func(life->fds, add_fd_clear);
}

void life_options_clear(LifeOptions *life)
{
    g_free(life->name);
    g_free(life->uuid);
    g_free(life->pidfile);
    g_ptr_array_unref(life->monitors);
    g_ptr_array_unref(life->chardevs);
    g_array_unref(life->fds);
}

static unsigned stdio_users(const MachineConfig *config)
{
    unsigned users = 0;

    for (unsigned i = 0; i < config->life.chardevs->len; i++) {
        users += ((const ChardevConfig *)g_ptr_array_index(config->life.chardevs, i))->kind ==
                 CHARDEV_STDIO;
    }
    return users;
}

/*
 * There is no display at all: unless the user says where the console is, and unless the terminal is
 * spoken for, it is there.
 */
static bool wants_terminal(const MachineConfig *config)
{
    return config->nographic ||
           (!config->display_given && !config->nodefaults && !config->process.daemonize &&
            !config->serial[0] && !config->qtest && !machine_is_none(config) &&
            !stdio_users(config));
}

/*
 * Without -nodefaults and -monitor there is one for people on the terminal, which the first serial
 * port shares.
 */
bool life_options_defaults(MachineConfig *config, GError **errp)
{
    bool terminal = wants_terminal(config);
    bool monitor = terminal && !config->nodefaults && !config->life.monitor_given;
    bool serial = !config->serial[0] && !config->nodefaults && !machine_is_none(config);

    if (serial && !option_serial(config,
                                 !terminal ? "null"
                                 : monitor ? "mon:stdio"
                                           : "stdio",
                                 errp)) {
        return false;
    }
    return !monitor || (serial && terminal) || option_monitor(config, "stdio", errp);
}

static const ChardevConfig *find_chardev(const LifeOptions *life, const char *id)
{
    for (unsigned i = 0; i < life->chardevs->len; i++) {
        const ChardevConfig *chardev = g_ptr_array_index(life->chardevs, i);
        if (!strcmp(chardev->id, id)) {
            return chardev;
        }
    }
    return NULL;
}

static bool check_stdio(const MachineConfig *config, GError **errp)
{
    unsigned users = stdio_users(config);

    if (users && config->process.daemonize) {
        error_set(errp, "%s cannot be used with -daemonize",
                  config->nographic ? "-nographic" : "stdio");
        error_hint(errp, "Give the serial ports and monitors somewhere else to go, or use -display "
                         "none and -nodefaults");
        return false;
    }
    if (users > 1) {
        error_set(errp, "cannot use stdio by multiple character devices");
        error_hint(errp, "Give only one of -serial, -monitor and -qmp stdio, or share it: -serial "
                         "mon:stdio; -nographic puts a serial port and a monitor there unless "
                         "-serial and -monitor say otherwise");
        return false;
    }
    return true;
}

/* -object monitor-qmp is -mon in another form. */
static bool add_object_monitors(MachineConfig *config, GError **errp)
{
    const GPtrArray *objects = qom_container_get(config->root, "/objects")->children;

    for (unsigned i = 0; objects && i < objects->len; i++) {
        const QomObject *object = g_ptr_array_index(objects, i);
        const MonitorObject *monitor = (const MonitorObject *)object;
        if (!qom_is(object, &monitor_qmp_type)) {
            continue;
        }
        if (!monitor->chardev || !find_chardev(&config->life, monitor->chardev)) {
            return error_set(errp, "-object monitor-qmp,id=%s: chardev \"%s\" not found",
                             object->name, monitor->chardev ? monitor->chardev : "");
        }
        add_monitor(config, object->name, monitor->chardev, false, monitor->pretty);
    }
    return true;
}

/* -mon and -serial may stand before the -chardev that they name, so that they meet only here. */
bool life_options_complete(MachineConfig *config, GError **errp)
{
    const LifeOptions *life = &config->life;

    if (!add_object_monitors(config, errp)) {
        return false;
    }
    for (unsigned i = 0; i < life->monitors->len; i++) {
        const MonitorConfig *monitor = g_ptr_array_index(life->monitors, i);
        if (!find_chardev(life, monitor->chardev)) {
            return error_set(errp, "-mon: chardev \"%s\" not found", monitor->chardev);
        }
    }
    for (unsigned i = 0; i < MAX_SERIAL_PORTS; i++) {
        const char *id = config->serial[i];
        if (id && strcmp(id, "none") && !find_chardev(life, id)) {
            return error_set(errp, "-serial chardev:%s: chardev \"%s\" not found", id, id);
        }
    }
    return check_stdio(config, errp);
}
