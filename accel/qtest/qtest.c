/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The qtest protocol: commands and answers. How the lines travel is qtest-server.c's. */
#include "accel/qtest/qtest.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

/* One command may move so much at most: its hexadecimal text is twice that, held in memory. */
#define MAX_TRANSFER (16 * MiB)

typedef struct InterceptedLine {
    Qtest *qtest;
    unsigned number;
    IrqLine before;
    bool level;
} InterceptedLine;

struct Qtest {
    QtestMachine machine;
    QtestOutputFn *output;
    void *opaque;
    InterceptedLine *lines; /* [machine.num_gsi], or NULL: not intercepted */
};

typedef struct Command {
    const char *name;
    unsigned num_words; /* operands, at least */
    bool (*run)(Qtest *qtest, char **words, GString *value, GError **errp);
} Command;

static uint64_t now(void *opaque)
{
    return ((QtestClock *)opaque)->now_ns;
}

Clock qtest_clock(QtestClock *clock)
{
    return (Clock) { now, clock };
}

static bool parse_number(const char *text, uint64_t max, uint64_t *value, GError **errp)
{
    char *end;

    errno = 0;
    *value = g_ascii_strtoull(text, &end, 0);
    if (!g_ascii_isdigit(*text) || *end || errno || *value > max) {
        return error_set(errp, "'%s' is not a number from 0 to 0x%" G_GINT64_MODIFIER "x", text,
                         max);
    }
    return true;
}

static bool parse_range(char **words, uint64_t *address, uint64_t *size, GError **errp)
{
    return parse_number(words[1], UINT64_MAX, address, errp) &&
           parse_number(words[2], MAX_TRANSFER, size, errp);
}

static unsigned suffix_size(const char *name)
{
    switch (name[strlen(name) - 1]) {
    case 'b':
        return 1;
    case 'w':
        return 2;
    case 'l':
        return 4;
    default:
        return 8;
    }
}

static uint64_t read_value(Qtest *qtest, AddressSpace *as, uint64_t address, unsigned size)
{
    g_mutex_lock(qtest->machine.lock);
    uint64_t value = address_space_read(as, address, size);
    g_mutex_unlock(qtest->machine.lock);
    return value;
}

static void write_value(Qtest *qtest, AddressSpace *as, uint64_t address, uint64_t value,
                        unsigned size)
{
    g_mutex_lock(qtest->machine.lock);
    address_space_write(as, address, value, size);
    g_mutex_unlock(qtest->machine.lock);
}

static bool run_in(Qtest *qtest, char **words, GString *value, GError **errp)
{
    uint64_t port;

    if (!parse_number(words[1], 0xffff, &port, errp)) {
        return false;
    }
    uint64_t read = read_value(qtest, qtest->machine.ports, port, suffix_size(words[0]));
    g_string_printf(value, "0x%04" G_GINT64_MODIFIER "x", read);
    return true;
}

static bool run_out(Qtest *qtest, char **words, GString *value, GError **errp)
{
    uint64_t port, data;

    if (!parse_number(words[1], 0xffff, &port, errp) ||
        !parse_number(words[2], UINT32_MAX, &data, errp)) {
        return false;
    }
    write_value(qtest, qtest->machine.ports, port, data, suffix_size(words[0]));
    return true;
}

static bool run_read_value(Qtest *qtest, char **words, GString *value, GError **errp)
{
    uint64_t address;

    if (!parse_number(words[1], UINT64_MAX, &address, errp)) {
        return false;
    }
    uint64_t read = read_value(qtest, qtest->machine.memory, address, suffix_size(words[0]));
    g_string_printf(value, "0x%016" G_GINT64_MODIFIER "x", read);
    return true;
}

static bool run_write_value(Qtest *qtest, char **words, GString *value, GError **errp)
{
    uint64_t address, data;

    if (!parse_number(words[1], UINT64_MAX, &address, errp) ||
        !parse_number(words[2], UINT64_MAX, &data, errp)) {
        return false;
    }
    write_value(qtest, qtest->machine.memory, address, data, suffix_size(words[0]));
    return true;
}

/* RAM at once, everything else byte by byte, as a device's DMA would see it. */
static void copy_out(Qtest *qtest, uint64_t address, uint8_t *data, uint64_t size)
{
    g_mutex_lock(qtest->machine.lock);
    const uint8_t *ram = size ? address_space_ram(qtest->machine.memory, address, size) : NULL;
    if (ram) {
        memcpy(data, ram, size);
    } else {
        for (uint64_t i = 0; i < size; i++) {
            data[i] = address_space_read(qtest->machine.memory, address + i, 1);
        }
    }
    g_mutex_unlock(qtest->machine.lock);
}

static void copy_in(Qtest *qtest, uint64_t address, const uint8_t *data, uint64_t size)
{
    g_mutex_lock(qtest->machine.lock);
    uint8_t *ram = size ? address_space_ram(qtest->machine.memory, address, size) : NULL;
    if (ram) {
        memcpy(ram, data, size);
    } else {
        for (uint64_t i = 0; i < size; i++) {
            address_space_write(qtest->machine.memory, address + i, data[i], 1);
        }
    }
    g_mutex_unlock(qtest->machine.lock);
}

static bool run_read(Qtest *qtest, char **words, GString *value, GError **errp)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t address, size;

    if (!parse_range(words, &address, &size, errp)) {
        return false;
    }
    g_autofree uint8_t *data = g_malloc(size + 1);
    copy_out(qtest, address, data, size);
    g_string_set_size(value, 2 + 2 * size);
    memcpy(value->str, "0x", 2);
    for (uint64_t i = 0; i < size; i++) {
        value->str[2 + 2 * i] = digits[data[i] >> 4];
        value->str[3 + 2 * i] = digits[data[i] & 15];
    }
    return true;
}

static bool run_write(Qtest *qtest, char **words, GString *value, GError **errp)
{
    uint64_t address, size;
    const char *hex = words[3];

    if (!parse_range(words, &address, &size, errp)) {
        return false;
    }
    if (!g_str_has_prefix(hex, "0x") || strlen(hex) - 2 < 2 * size) {
        return error_set(errp, "the data must be 0x and %" G_GUINT64_FORMAT " hexadecimal digits",
                         2 * size);
    }
    g_autofree uint8_t *data = g_malloc(size + 1);
    for (uint64_t i = 0; i < size; i++) {
        int high = g_ascii_xdigit_value(hex[2 + 2 * i]), low = g_ascii_xdigit_value(hex[3 + 2 * i]);
        if (high < 0 || low < 0) {
            return error_set(errp, "the data has a character that is no hexadecimal digit");
        }
        data[i] = (uint8_t)(high << 4 | low);
    }
    copy_in(qtest, address, data, size);
    return true;
}

static bool run_b64read(Qtest *qtest, char **words, GString *value, GError **errp)
{
    uint64_t address, size;

    if (!parse_range(words, &address, &size, errp)) {
        return false;
    }
    g_autofree uint8_t *data = g_malloc(size + 1);
    copy_out(qtest, address, data, size);
    g_autofree char *text = g_base64_encode(data, size);
    g_string_assign(value, text);
    return true;
}

static bool run_b64write(Qtest *qtest, char **words, GString *value, GError **errp)
{
    uint64_t address, size;
    gsize have;

    if (!parse_range(words, &address, &size, errp)) {
        return false;
    }
    g_autofree guchar *data = g_base64_decode(words[3], &have);
    if (have < size) {
        return error_set(errp, "the data is of %zu bytes, not of %" G_GUINT64_FORMAT, (size_t)have,
                         size);
    }
    copy_in(qtest, address, data, size);
    return true;
}

static bool run_memset(Qtest *qtest, char **words, GString *value, GError **errp)
{
    uint64_t address, size, byte;

    if (!parse_range(words, &address, &size, errp) || !parse_number(words[3], 0xff, &byte, errp)) {
        return false;
    }
    g_autofree uint8_t *data = g_malloc(size + 1);
    memset(data, (int)byte, size);
    copy_in(qtest, address, data, size);
    return true;
}

static bool run_clock_step(Qtest *qtest, char **words, GString *value, GError **errp)
{
    uint64_t step = 1000000;

    if (words[1] && !parse_number(words[1], INT64_MAX, &step, errp)) {
        return false;
    }
    qtest->machine.clock->now_ns += step;
    g_string_printf(value, "%" G_GUINT64_FORMAT, qtest->machine.clock->now_ns);
    return true;
}

static bool run_clock_set(Qtest *qtest, char **words, GString *value, GError **errp)
{
    uint64_t to;

    if (!parse_number(words[1], INT64_MAX, &to, errp)) {
        return false;
    }
    qtest->machine.clock->now_ns = MAX(to, qtest->machine.clock->now_ns); /* it never goes back */
    g_string_printf(value, "%" G_GUINT64_FORMAT, qtest->machine.clock->now_ns);
    return true;
}

static bool run_endianness(Qtest *qtest, char **words, GString *value, GError **errp)
{
    g_string_assign(value, "little");
    return true;
}

static void line_set(void *opaque, bool level)
{
    InterceptedLine *line = opaque;

    if (line->level != level) {
        g_autofree char *text = g_strdup_printf("IRQ %s %u", level ? "raise" : "lower",
                                                line->number);
        line->level = level;
        line->qtest->output(line->qtest->opaque, text);
    }
}

static bool check_interrupt_controller(const char *path, GError **errp)
{
    if (strcmp(path, "ioapic")) {
        error_set(errp, "'%s' has no interrupt lines here: use 'ioapic'", path);
        return false;
    }
    return true;
}

static bool run_irq_intercept_in(Qtest *qtest, char **words, GString *value, GError **errp)
{
    QtestMachine *m = &qtest->machine;

    if (!check_interrupt_controller(words[1], errp)) {
        return false;
    }
    if (qtest->lines) {
        return true;
    }
    qtest->lines = g_new0(InterceptedLine, m->num_gsi);
    g_mutex_lock(m->lock);
    for (unsigned i = 0; i < m->num_gsi; i++) {
        qtest->lines[i] = (InterceptedLine) { .qtest = qtest, .number = i, .before = m->gsi[i] };
        m->gsi[i] = (IrqLine) { line_set, &qtest->lines[i] };
    }
    g_mutex_unlock(m->lock);
    return true;
}

static bool run_set_irq_in(Qtest *qtest, char **words, GString *value, GError **errp)
{
    uint64_t number, level;

    if (!check_interrupt_controller(words[1], errp) ||
        !parse_number(words[3], qtest->machine.num_gsi - 1, &number, errp) ||
        !parse_number(words[4], 1, &level, errp)) {
        return false;
    }
    g_mutex_lock(qtest->machine.lock);
    irq_set(&qtest->machine.gsi[number], level);
    g_mutex_unlock(qtest->machine.lock);
    return true;
}

static const Command commands[] = {
    { "inb", 1, run_in }, { "inw", 1, run_in }, { "inl", 1, run_in },
    { "outb", 2, run_out }, { "outw", 2, run_out }, { "outl", 2, run_out },
    { "readb", 1, run_read_value }, { "readw", 1, run_read_value },
    { "readl", 1, run_read_value }, { "readq", 1, run_read_value },
    { "writeb", 2, run_write_value }, { "writew", 2, run_write_value },
    { "writel", 2, run_write_value }, { "writeq", 2, run_write_value },
    { "read", 2, run_read }, { "write", 3, run_write }, { "b64read", 2, run_b64read },
    { "b64write", 3, run_b64write },
    { "memset", 3, run_memset }, { "clock_step", 0, run_clock_step },
    { "clock_set", 1, run_clock_set },
    { "endianness", 0, run_endianness }, { "irq_intercept_in", 1, run_irq_intercept_in },
    { "set_irq_in", 4, run_set_irq_in },
};

static const Command *find_command(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!strcmp(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

/* Several blanks separate like one. */
static char **split_words(const char *text)
{
    g_auto(GStrv) parts = g_strsplit_set(text, " \t", -1);
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    for (unsigned i = 0; parts[i]; i++) {
        if (*parts[i]) {
            g_ptr_array_add(words, g_strdup(parts[i]));
        }
    }
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&words), FALSE);
}

static bool run(Qtest *qtest, char **words, GString *value, GError **errp)
{
    const Command *command = words[0] ? find_command(words[0]) : NULL;

    if (!command) {
        return error_set(errp, "Unknown command '%s'", words[0] ? words[0] : "");
    }
    if (g_strv_length(words) - 1 < command->num_words) {
        return error_set(errp, "'%s' takes %u operands", command->name, command->num_words);
    }
    return command->run(qtest, words, value, errp);
}

void qtest_command(Qtest *qtest, const char *line)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *text = g_strstrip(g_strdup(line));
    g_auto(GStrv) words = split_words(text);
    g_autoptr(GString) value = g_string_new(NULL);

    bool ok = run(qtest, words, value, &err);
    g_string_prepend(value, !ok ? "FAIL " : value->len ? "OK " : "OK");
    if (!ok) {
        g_string_append(value, err->message);
    }
    qtest->output(qtest->opaque, value->str);
}

Qtest *qtest_new(const QtestMachine *machine, QtestOutputFn *output, void *opaque)
{
    Qtest *qtest = g_new0(Qtest, 1);

    qtest->machine = *machine;
    qtest->output = output;
    qtest->opaque = opaque;
    return qtest;
}

void qtest_free(Qtest *qtest)
{
    if (!qtest) {
        return;
    }
    g_mutex_lock(qtest->machine.lock);
    for (unsigned i = 0; qtest->lines && i < qtest->machine.num_gsi; i++) {
        qtest->machine.gsi[i] = qtest->lines[i].before;
    }
    g_mutex_unlock(qtest->machine.lock);
    g_free(qtest->lines);
    g_free(qtest);
}
