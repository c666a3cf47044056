/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -object, -device and -global: checked as they come, named by each other in any order, taking
 * effect when the machine is made.
 */
#include <string.h>

#include "hw/core/machine.h"
#include "system/options.h"
#include "target/i386/kvm/tdx-guest-object.h"
#include "util/error.h"
#include "util/keyval.h"

/* One -object or -device. */
typedef struct ObjectOption {
    char *location;    /* "-device TEXT", for errors that show later */
    KeyVal *keyval;    /* one of both */
    JsonValue *json;
    QomObject *object; /* borrowed from the tree; NULL = not made yet */
} ObjectOption;

static const char *const not_properties[] = { "qom-type", "id", NULL };

static void object_option_free(gpointer data)
{
    ObjectOption *option = data;

    g_free(option->location);
    keyval_free(option->keyval);
    json_object_put(option->json);
    g_free(option);
}

static QomSettings settings_of(const ObjectOption *option)
{
    return (QomSettings){ .json = option->json, .keyval = option->keyval, .skip = not_properties };
}

static ObjectOption *parse(const char *name, const char *text, const char *implied, GError **errp)
{
    ObjectOption *option = g_new0(ObjectOption, 1);
    bool ok = *text == '{' ? json_parse(text, strlen(text), &option->json, errp)
                           : (option->keyval = keyval_parse(text, implied, errp)) != NULL;

    option->location = g_strdup_printf("-%s %s", name, text);
    if (!ok) {
        g_clear_pointer(&option, object_option_free);
    }
    return option;
}

static const char *value_of(const ObjectOption *option, const char *name)
{
    return option->keyval ? keyval_get(option->keyval, name)
                          : json_member_string(option->json, name);
}

bool option_object(MachineConfig *config, const char *text, GError **errp)
{
    ObjectOption *option = parse("object", text, "qom-type", errp);

    if (!option) {
        return false;
    }
    g_ptr_array_add(config->objects, option);
    const char *id = value_of(option, "id"), *type = value_of(option, "qom-type");
    if (option->keyval && type && !strcmp(type, tdx_guest_type.name) &&
        !keyval_check_repeats(option->keyval, errp)) {
        /* elsewhere the last one wins; what a TD is measured with should not be guessed */
        return false;
    }
    if (id && qom_object_child(qom_container_get(config->root, "/objects"), id)) {
        return error_set(errp, "Duplicate ID '%s' for object", id);
    }
    QomSettings settings = settings_of(option);
    option->object = qom_user_create(config->root, value_of(option, "qom-type"), id, &settings,
                                     errp);
    return option->object;
}

/* Properties wait for the globals, which may come later; the driver does not. */
bool option_device(MachineConfig *config, const char *text, GError **errp)
{
    ObjectOption *option = parse("device", text, "driver", errp);

    if (!option) {
        return false;
    }
    g_ptr_array_add(config->devices, option);
    const char *driver = value_of(option, "driver");
    return (driver || error_set(errp, "Parameter 'driver' is missing")) &&
           device_type_find(qom_object_types(config->root), driver, errp);
}

bool option_global(MachineConfig *config, const char *text, GError **errp)
{
    QomGlobal *global = qom_global_parse(text, errp);

    if (global) {
        g_ptr_array_add(config->globals, global);
    }
    return global;
}

void object_options_init(MachineConfig *config, QomTypes types)
{
    static const char *const containers[] = { "/objects", "/chardevs", "/netdevs", NULL };

    config->root = qom_root_new(types, containers);
    config->objects = g_ptr_array_new_with_free_func(object_option_free);
    config->devices = g_ptr_array_new_with_free_func(object_option_free);
    block_options_init(config);
    config->globals = g_ptr_array_new_with_free_func((GDestroyNotify)qom_global_free);
}

void object_options_clear(MachineConfig *config)
{
    g_ptr_array_unref(config->objects);
    g_ptr_array_unref(config->devices);
    g_ptr_array_unref(config->globals);
    qom_object_unref(config->root);
    block_options_clear(config);
}

/* An error of one option, with the option as it was typed before it. */
static bool blame(const ObjectOption *option, GError *err, GError **errp)
{
    g_prefix_error(&err, "%s: ", option->location);
    g_propagate_error(errp, err);
    return false;
}

bool machine_config_create_devices(MachineConfig *config, GError **errp)
{
    if (!machine_check_globals(config->machine_object, errp)) {
        return false;
    }
    for (unsigned i = 0; i < config->devices->len; i++) {
        ObjectOption *option = g_ptr_array_index(config->devices, i);
        QomSettings settings = settings_of(option);
        GError *err = NULL;
        Device *device = machine_create_device(config->machine_object, &settings, &err);

        if (!device) {
            return blame(option, err, errp);
        }
        option->object = &device->object;
    }
    return true;
}

bool machine_config_complete_objects(const MachineConfig *config, GError **errp)
{
    for (unsigned i = 0; i < config->objects->len; i++) {
        const ObjectOption *option = g_ptr_array_index(config->objects, i);
        GError *err = NULL;

        if (!qom_object_complete(option->object, &err)) {
            return blame(option, err, errp);
        }
    }
    return qom_object_complete(&config->machine_object->object, errp);
}

bool machine_config_plug_devices(const MachineConfig *config, GError **errp)
{
    for (unsigned i = 0; i < config->devices->len; i++) {
        const ObjectOption *option = g_ptr_array_index(config->devices, i);
        QomSettings settings = settings_of(option);
        GError *err = NULL;

        if (!machine_plug_device(config->machine_object, DEVICE(option->object), &settings, &err)) {
            return blame(option, err, errp);
        }
    }
    return true;
}

static bool is_help(const char *word)
{
    return !strcmp(word, "help") || !strcmp(word, "?");
}

/* The list's first word, which may have its implied key before it. */
static char *first_word(const char *text, const char *implied)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", 2);
    g_autofree char *key = g_strdup_printf("%s=", implied);
    const char *word = parts[0] ? parts[0] : "";

    return g_strdup(g_str_has_prefix(word, key) ? word + strlen(key) : word);
}

/* A doubled comma belongs to a value, and so does what follows it. */
bool option_asks_help(const char *text)
{
    for (const char *word = text; *word;) {
        size_t length = 0;
        while (word[length] && (word[length] != ',' || word[length + 1] == ',')) {
            length += word[length] == ',' ? 2 : 1;
        }
        g_autofree char *element = g_strndup(word, length);
        if (is_help(element)) {
            return true;
        }
        word += length + (word[length] ? 1 : 0);
    }
    return false;
}

/* The type whose list has "help" in it; NULL: none, or the types themselves are asked for. */
static char *type_with_help(const char *text, const char *implied)
{
    g_autofree char *word = first_word(text, implied);

    return !is_help(word) && option_asks_help(text) ? g_steal_pointer(&word) : NULL;
}

static bool asks_for_types(const char *text, const char *implied)
{
    g_autofree char *word = first_word(text, implied);

    return is_help(word);
}

char *object_option_help(QomTypes types, const char *text)
{
    g_autofree char *name = type_with_help(text, "qom-type");
    const QomType *type = name ? qom_type_find(types, name) : NULL;

    if (asks_for_types(text, "qom-type")) {
        return qom_types_help(types);
    }
    return type && type->user_creatable && !type->abstract ? qom_type_help(type) : NULL;
}

char *device_option_help(QomTypes types, const char *text)
{
    g_autofree char *name = type_with_help(text, "driver");
    const QomType *type = name ? device_type_find(types, name, NULL) : NULL;

    if (asks_for_types(text, "driver")) {
        return devices_help(types);
    }
    return type ? qom_type_help(type) : NULL;
}

char *machine_option_help(QomTypes types, const char *text)
{
    g_autofree char *name = type_with_help(text, "type");
    const QomType *type = name ? machine_type_find(types, name) : NULL;

    if (asks_for_types(text, "type")) {
        return machine_types_help(types);
    }
    return type ? qom_type_help(type) : NULL;
}
