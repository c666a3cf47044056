/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands for people: their names, abbreviations and help; what they do is what the QMP command of
 * that name does.
 */
#include <string.h>

#include "hmp-objects.h"

/* Runs a QMP command that takes no arguments; an error becomes text. */
static void run_qmp(QapiContext *context, QapiCommandFn *command, GString *out)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) none = json_object_new_object(), result = NULL;

    if (!command(context, none, &result, &err)) {
        g_string_append_printf(out, "Error: %s\n", err->message);
    }
}

static void do_stop(QapiContext *context, const char *arguments, GString *out)
{
    run_qmp(context, qmp_stop, out);
}

static void do_cont(QapiContext *context, const char *arguments, GString *out)
{
    run_qmp(context, qmp_cont, out);
}

static void do_quit(QapiContext *context, const char *arguments, GString *out)
{
    run_qmp(context, qmp_quit, out);
}

static void do_reset(QapiContext *context, const char *arguments, GString *out)
{
    run_qmp(context, qmp_system_reset, out);
}

static void do_powerdown(QapiContext *context, const char *arguments, GString *out)
{
    run_qmp(context, qmp_system_powerdown, out);
}

static void do_nmi(QapiContext *context, const char *arguments, GString *out)
{
    run_qmp(context, qmp_inject_nmi, out);
}

/* ECMA-48: CUP to the upper left corner, ED of the whole screen. */
static void do_clear(QapiContext *context, const char *arguments, GString *out)
{
    g_string_append(out, "\x1b[H\x1b[2J");
}

static void do_help(QapiContext *context, const char *arguments, GString *out);
static void do_info(QapiContext *context, const char *arguments, GString *out);

/* Sorted; a second name stands after a bar. */
static const HmpCommand commands[] = {
    { "announce_self", "[interfaces] [id]", "have switches learn where the guest is",
      hmp_announce_self },
    { "block_resize", "device size", "give a disk another size", hmp_block_resize },
    { "change", "[-f] device filename [format [read-only-mode]]", "give a CD drive another medium",
      hmp_change },
    { "chardev-add", "backend,id=str[,...]", "add a chardev, as -chardev", hmp_chardev_add },
    { "chardev-change", "id backend[,...]", "give a chardev another back end", hmp_chardev_change },
    { "chardev-remove", "id", "remove a chardev", hmp_chardev_remove },
    { "chardev-send-break", "id", "send a break", hmp_chardev_send_break },
    { "clear", "", "clear the screen", do_clear },
    { "closefd", "fdname", "close a descriptor that getfd named", hmp_closefd },
    { "cont|c", "", "resume emulation", do_cont },
    { "device_add", "driver[,prop=value][,...]", "add a device, as -device", hmp_device_add },
    { "device_del", "device", "take a device away", hmp_device_del },
    { "eject", "[-f] device", "take the medium out of a CD drive", hmp_eject },
    { "help|?", "[cmd]", "show the help", do_help },
    { "hostfwd_add", "[netdev] [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport",
      "forward a port of the host to the guest", hmp_hostfwd_add },
    { "hostfwd_remove", "[netdev] [tcp|udp]:[hostaddr]:hostport", "end that", hmp_hostfwd_remove },
    { "info", "[subcommand]", "show various information about the system state", do_info },
    { "netdev_add", "type,id=str[,prop=value][,...]", "add a netdev, as -netdev", hmp_netdev_add },
    { "netdev_del", "id", "take a netdev away", hmp_netdev_del },
    { "nmi", "", "refused: a TD takes no NMI", do_nmi },
    { "object_add", "qom-type,id=str[,prop=value][,...]", "create an object, as -object",
      hmp_object_add },
    { "object_del", "id", "destroy an object", hmp_object_del },
    { "qom-get", "path property", "show a property", hmp_qom_get },
    { "qom-list", "[path]", "list an object's properties", hmp_qom_list },
    { "qom-set", "path property value", "set a property", hmp_qom_set },
    { "quit|q", "", "quit the emulator", do_quit },
    { "ringbuf_read", "device size", "take bytes out of a ring buffer", hmp_ringbuf_read },
    { "ringbuf_write", "device data", "put bytes into a ring buffer", hmp_ringbuf_write },
    { "set_link", "name on|off", "plug a network card's cable in or out", hmp_set_link },
    { "stop|s", "", "stop emulation", do_stop },
    { "system_powerdown", "", "send system power down event", do_powerdown },
    { "system_reset", "", "reset the system", do_reset },
    { NULL },
};

/*
 * A command by one of its full names, or by the beginning of exactly one; *count: how many it could
 * be.
 */
static const HmpCommand *find(const HmpCommand *table, const char *name, unsigned *count)
{
    const HmpCommand *found = NULL;

    *count = 0;
    for (const HmpCommand *command = table; command->name; command++) {
        g_auto(GStrv) names = g_strsplit(command->name, "|", -1);

        if (g_strv_contains((const char *const *)names, name)) {
            *count = 1;
            return command;
        }
        if (g_str_has_prefix(command->name, name)) {
            found = command;
            (*count)++;
        }
    }
    return *count == 1 ? found : NULL;
}

/* The first word of a line, and where the rest begins. */
static char *first_word(const char *line, const char **rest)
{
    line += strspn(line, " ");
    size_t length = strcspn(line, " ");
    *rest = line + length + strspn(line + length, " ");
    return g_strndup(line, length);
}

static bool is_named(const HmpCommand *command, const char *name)
{
    g_auto(GStrv) names = g_strsplit(command->name, "|", -1);

    return g_strv_contains((const char *const *)names, name);
}

static const char *why_not(const HmpCommand *table, const char *name)
{
    return table == commands ? hmp_why_not(name) : hmp_why_no_info(name);
}

static void show_help(const HmpCommand *table, const char *prefix, const char *name, GString *out)
{
    unsigned count;
    const HmpCommand *only = *name ? find(table, name, &count) : NULL;

    if (*name && !only && why_not(table, name)) {
        g_string_append_printf(out, "%s%s -- refused: %s\n", prefix, name, why_not(table, name));
    } else if (*name && !only) {
        g_string_append_printf(out, "unknown command: '%s%s'\n", prefix, name);
    }
    for (const HmpCommand *command = table; command->name; command++) {
        if (!*name || command == only) {
            g_string_append_printf(out, "%s%s%s%s -- %s\n", prefix, command->name,
                                   *command->arguments ? " " : "", command->arguments,
                                   command->help);
        }
    }
}

static void do_help(QapiContext *context, const char *arguments, GString *out)
{
    const char *rest;
    g_autofree char *name = first_word(arguments, &rest);

    if (!strcmp(name, "info")) {
        show_help(hmp_infos, "info ", rest, out);
    } else {
        show_help(commands, "", name, out);
    }
}

/* line: as typed, for the message. */
static void run(const HmpCommand *table, QapiContext *context, const char *text, const char *line,
                GString *out)
{
    const char *rest;
    unsigned count;
    g_autofree char *name = first_word(text, &rest);
    const HmpCommand *command = find(table, name, &count);

    if (command && (is_named(command, name) || !why_not(table, name))) {
        command->run(context, rest, out);
    } else if (why_not(table, name)) {
        g_string_append_printf(out, "Error: %s\n", why_not(table, name));
    } else if (count > 1) {
        g_string_append_printf(out, "ambiguous command: '%s'\n", line);
    } else {
        g_string_append_printf(out, "unknown command: '%s'\n", line);
    }
}

static void do_info(QapiContext *context, const char *arguments, GString *out)
{
    g_autofree char *line = g_strconcat("info ", arguments, NULL);

    if (*arguments) {
        run(hmp_infos, context, arguments, line, out);
    } else {
        show_help(hmp_infos, "info ", "", out);
    }
}

char *hmp_command(QapiContext *context, const char *given)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *line = g_strstrip(g_strdup(given));

    if (*line) {
        run(commands, context, line, line, out);
    }
    g_string_replace(out, "\n", "\r\n", 0);
    return g_strdup(out->str);
}

char **hmp_completions(const char *line, size_t *start)
{
    GPtrArray *names = g_ptr_array_new();
    const char *rest;
    g_autofree char *word = first_word(line, &rest);
    bool below = strchr(line, ' ') && !strcmp(word, "info");
    bool help = strchr(line, ' ') && !strcmp(word, "help");
    const char *typed = below || help ? rest : word;

    *start = typed == word ? strspn(line, " ") : (size_t)(typed - line);
    for (const HmpCommand *command = below ? hmp_infos : commands;
         command->name && (below || help || !strchr(line, ' ')); command++) {
        if (g_str_has_prefix(command->name, typed)) {
            g_ptr_array_add(names, g_strndup(command->name, strcspn(command->name, "|")));
        }
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}
