/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options about the process: -daemonize, -msg, -name, -overcommit, -pidfile, -run-with, -sandbox.
 */
#include <string.h>

#include "system/options.h"
#include "util/error.h"
#include "util/keyval.h"

static bool replace(char **where, const char *text)
{
    g_free(*where);
    *where = g_strdup(text);
    return true;
}

bool option_daemonize(MachineConfig *config, const char *text, GError **errp)
{
    config->process.daemonize = true;
    return true;
}

bool option_pidfile(MachineConfig *config, const char *text, GError **errp)
{
    return replace(&config->life.pidfile, text);
}

bool option_msg(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, errp);

    for (unsigned i = 0; kv && i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        bool *flag = !strcmp(pair->key, "timestamp") ? &config->process.timestamps :
                     !strcmp(pair->key, "guest-name") ? &config->process.guest_names : NULL;
        if (!flag) {
            return error_set(errp, "Invalid parameter '%s': -msg takes timestamp and guest-name",
                             pair->key);
        }
        if (!keyval_bool(pair->key, pair->value, flag, errp)) {
            return false;
        }
    }
    return kv;
}

/*
 * debug-threads= only decides whether threads have names: those of this program have them always.
 */
bool option_name(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "guest", errp);
    bool ignored;

    for (unsigned i = 0; kv && i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        if (!strcmp(pair->key, "guest")) {
            replace(&config->life.name, pair->value);
        } else if (!strcmp(pair->key, "process")) {
            replace(&config->process.process_name, pair->value);
        } else if (strcmp(pair->key, "debug-threads")) {
            return error_set(errp,
                             "Invalid parameter '%s': -name takes guest, process and debug-threads",
                             pair->key);
        } else if (!keyval_bool(pair->key, pair->value, &ignored, errp)) {
            return false;
        }
    }
    return kv;
}

static bool set_memory_lock(ProcessOptions *process, const char *value, GError **errp)
{
    process->lock_on_fault = !strcmp(value, "on-fault");
    if (process->lock_on_fault) {
        process->lock_memory = true;
        return true;
    }
    return keyval_bool("mem-lock", value, &process->lock_memory, NULL) ||
           error_set(errp,
                     "Parameter 'mem-lock' does not accept value '%s': use on, off or on-fault",
                     value);
}

bool option_overcommit(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, errp);
    bool cpu_pm;

    for (unsigned i = 0; kv && i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        if (!strcmp(pair->key, "mem-lock")) {
            if (!set_memory_lock(&config->process, pair->value, errp)) {
                return false;
            }
        } else if (strcmp(pair->key, "cpu-pm")) {
            return error_set(errp, "Invalid parameter '%s': -overcommit takes mem-lock and cpu-pm",
                             pair->key);
        } else if (!keyval_bool(pair->key, pair->value, &cpu_pm, errp)) {
            return false;
        } else if (cpu_pm) {
            return error_set(errp, "cpu-pm=on is not available: a TD's idle vCPUs leave their host "
                                   "CPUs; use cpu-pm=off");
        }
    }
    return kv;
}

bool option_run_with(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, errp);
    ProcessOptions *process = &config->process;
    bool teardown;

    for (unsigned i = 0; kv && i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        if (!strcmp(pair->key, "chroot")) {
            replace(&process->chroot, pair->value);
        } else if (!strcmp(pair->key, "user")) {
            replace(&process->user, pair->value);
        } else if (!strcmp(pair->key, "exit-with-parent")) {
            if (!keyval_bool(pair->key, pair->value, &process->exit_with_parent, errp)) {
                return false;
            }
        } else if (strcmp(pair->key, "async-teardown")) {
            return error_set(
                errp, "Invalid parameter '%s': -run-with takes chroot, exit-with-parent and user",
                pair->key);
        } else if (!keyval_bool(pair->key, pair->value, &teardown, errp)) {
            return false;
        } else if (teardown) {
            return error_set(errp, "async-teardown=on is not available: the process ends when its "
                                   "memory is given back; use off");
        }
    }
    return kv;
}

/* allow, deny, and where it means something children. */
static bool set_group(const KeyValPair *pair, bool *denied, bool *children, GError **errp)
{
    *denied = !strcmp(pair->value, "deny");
    if (children) {
        *children = !strcmp(pair->value, "children");
    }
    if (*denied || (children && *children) || !strcmp(pair->value, "allow")) {
        return true;
    }
    return error_set(errp, "Parameter '%s' does not accept value '%s': use allow%s or deny",
                     pair->key, pair->value, children ? ", children" : "");
}

bool option_sandbox(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "enable", errp);
    SandboxOptions *sandbox = &config->process.sandbox;

    for (unsigned i = 0; kv && i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        bool ok;

        if (!strcmp(pair->key, "enable")) {
            ok = keyval_bool(pair->key, pair->value, &sandbox->on, errp);
        } else if (!strcmp(pair->key, "obsolete")) {
            ok = set_group(pair, &sandbox->deny_obsolete, NULL, errp);
        } else if (!strcmp(pair->key, "elevateprivileges")) {
            ok = set_group(pair, &sandbox->deny_elevate, &sandbox->allow_elevate_children, errp);
        } else if (!strcmp(pair->key, "spawn")) {
            ok = set_group(pair, &sandbox->deny_spawn, NULL, errp);
        } else if (!strcmp(pair->key, "resourcecontrol")) {
            ok = set_group(pair, &sandbox->deny_resource_control, NULL, errp);
        } else {
            ok = error_set(errp,
                           "Invalid parameter '%s': -sandbox takes enable, obsolete, "
                           "elevateprivileges, spawn and resourcecontrol",
                           pair->key);
        }
        if (!ok) {
            return false;
        }
    }
    return kv;
}

void process_options_clear(ProcessOptions *options)
{
    g_free(options->process_name);
    g_free(options->chroot);
    g_free(options->user);
}
