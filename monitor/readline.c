/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Editing a line in a terminal: cursor keys, history, completion. Keys as in a shell; escape
 * sequences of ECMA-48.
 */
#include <string.h>

#include "monitor-internal.h"

#define LINE_MAX_LENGTH 4095
#define HISTORY_SIZE 64

enum { KEY_CTRL_A = 1, KEY_CTRL_B = 2, KEY_CTRL_C = 3, KEY_CTRL_D = 4, KEY_CTRL_E = 5,
       KEY_CTRL_F = 6, KEY_BACKSPACE = 8, KEY_TAB = 9,
       KEY_NEWLINE = 10, KEY_CTRL_K = 11, KEY_CTRL_L = 12, KEY_RETURN = 13, KEY_CTRL_N = 14,
       KEY_CTRL_P = 16, KEY_CTRL_U = 21,
       KEY_CTRL_W = 23, KEY_ESCAPE = 27, KEY_DELETE = 127 };

struct Readline {
    char *prompt;
    ReadlineClient client;
    GString *line;
    size_t cursor;
    GPtrArray *history;    /* of char *, oldest first */
    unsigned at;           /* in the history; its length: the line that is being written */
    char *written;         /* that line, while another is shown */
    enum { PLAIN, ESCAPE, SEQUENCE } state;
    unsigned parameter;    /* of the sequence */
    bool after_return;     /* CR LF ends one line */
};

Readline *readline_new(const char *prompt, const ReadlineClient *client)
{
    Readline *readline = g_new0(Readline, 1);

    readline->prompt = g_strdup(prompt);
    readline->client = *client;
    readline->line = g_string_new(NULL);
    readline->history = g_ptr_array_new_with_free_func(g_free);
    return readline;
}

void readline_free(Readline *readline)
{
    if (readline) {
        g_free(readline->prompt);
        g_free(readline->written);
        g_string_free(readline->line, TRUE);
        g_ptr_array_unref(readline->history);
        g_free(readline);
    }
}

static void say(Readline *readline, const char *text)
{
    readline->client.write(readline->client.opaque, text);
}

/* The whole line once more; EL clears what an older one left, CUB puts the cursor back. */
static void redraw(Readline *readline)
{
    size_t back = readline->line->len - readline->cursor;
    g_autofree char *move = back ? g_strdup_printf("\033[%zuD", back) : g_strdup("");
    g_autofree char *text = g_strconcat("\r", readline->prompt, readline->line->str, "\033[K", move,
                                        NULL);

    say(readline, text);
}

void readline_show_prompt(Readline *readline)
{
    g_string_truncate(readline->line, 0);
    readline->cursor = 0;
    readline->state = PLAIN;
    readline->at = readline->history->len;
    say(readline, readline->prompt);
}

static void insert(Readline *readline, const char *text, size_t n)
{
    if (readline->line->len + n > LINE_MAX_LENGTH) {
        return;
    }
    bool at_end = readline->cursor == readline->line->len;

    g_string_insert_len(readline->line, readline->cursor, text, n);
    readline->cursor += n;
    if (at_end) {
        say(readline, readline->line->str + readline->cursor - n);
    } else {
        redraw(readline);
    }
}

static void erase(Readline *readline, size_t from, size_t to)
{
    g_string_erase(readline->line, from, to - from);
    readline->cursor = from;
    redraw(readline);
}

static void erase_word(Readline *readline)
{
    size_t from = readline->cursor;

    while (from && readline->line->str[from - 1] == ' ') {
        from--;
    }
    while (from && readline->line->str[from - 1] != ' ') {
        from--;
    }
    erase(readline, from, readline->cursor);
}

static void move_to(Readline *readline, size_t cursor)
{
    if (cursor <= readline->line->len) {
        readline->cursor = cursor;
        redraw(readline);
    }
}

/* One step through the history: -1 back, 1 forth. */
static void step(Readline *readline, int direction)
{
    unsigned length = readline->history->len;

    if (direction < 0 ? readline->at == 0 : readline->at >= length) {
        return;
    }
    if (readline->at == length) {
        g_free(readline->written);
        readline->written = g_strdup(readline->line->str);
    }
    readline->at += direction;
    g_string_assign(readline->line, readline->at == length
                                        ? readline->written
                                        : readline->history->pdata[readline->at]);
    readline->cursor = readline->line->len;
    redraw(readline);
}

static void remember(Readline *readline, const char *line)
{
    GPtrArray *history = readline->history;

    if (!*line || (history->len && !strcmp(history->pdata[history->len - 1], line))) {
        return;
    }
    if (history->len == HISTORY_SIZE) {
        g_ptr_array_remove_index(history, 0);
    }
    g_ptr_array_add(history, g_strdup(line));
}

static void end_line(Readline *readline)
{
    g_autofree char *line = g_strdup(readline->line->str);

    say(readline, "\r\n");
    remember(readline, line);
    readline->client.line(readline->client.opaque, line);
}

/* What all names begin with is filled in; where that is nothing more, they are shown. */
static void complete(Readline *readline)
{
    size_t start;

    if (readline->cursor != readline->line->len) {
        return;
    }
    g_auto(GStrv) names = readline->client.complete(readline->line->str, &start);
    if (!names[0]) {
        return;
    }
    size_t typed = readline->line->len - start, common = strlen(names[0]);
    for (unsigned i = 1; names[i]; i++) {
        size_t same = 0;
        while (same < common && names[i][same] == names[0][same]) {
            same++;
        }
        common = same;
    }
    if (common > typed || !names[1]) {
        insert(readline, names[0] + typed, common - typed);
        if (!names[1]) {
            insert(readline, " ", 1);
        }
        return;
    }
    g_autofree char *all = g_strjoinv(" ", names);
    g_autofree char *text = g_strconcat("\r\n", all, "\r\n", NULL);
    say(readline, text);
    redraw(readline);
}

/* The last byte of a control sequence. */
static void sequence(Readline *readline, uint8_t final)
{
    switch (final) {
    case 'A': step(readline, -1); break;
    case 'B': step(readline, 1); break;
    case 'C': move_to(readline, readline->cursor + 1); break;
    case 'D': move_to(readline, readline->cursor - 1); break; /* from 0 it is out of range */
    case 'H': move_to(readline, 0); break;
    case 'F': move_to(readline, readline->line->len); break;
    case '~':
        if (readline->parameter == 3 && readline->cursor < readline->line->len) { /* delete */
            erase(readline, readline->cursor, readline->cursor + 1);
        }
        break;
    default: break;
    }
}

static void key(Readline *readline, uint8_t byte)
{
    switch (byte) {
    case KEY_CTRL_A: move_to(readline, 0); break;
    case KEY_CTRL_B: move_to(readline, readline->cursor - 1); break;
    case KEY_CTRL_C:
        say(readline, "\r\n");
        readline_show_prompt(readline);
        break;
    case KEY_CTRL_D:
        if (readline->cursor < readline->line->len) {
            erase(readline, readline->cursor, readline->cursor + 1);
        }
        break;
    case KEY_CTRL_E: move_to(readline, readline->line->len); break;
    case KEY_CTRL_F: move_to(readline, readline->cursor + 1); break;
    case KEY_BACKSPACE:
    case KEY_DELETE:
        if (readline->cursor) {
            erase(readline, readline->cursor - 1, readline->cursor);
        }
        break;
    case KEY_TAB: complete(readline); break;
    case KEY_CTRL_K:
        g_string_truncate(readline->line, readline->cursor);
        redraw(readline);
        break;
    case KEY_CTRL_L: redraw(readline); break;
    case KEY_CTRL_N: step(readline, 1); break;
    case KEY_CTRL_P: step(readline, -1); break;
    case KEY_CTRL_U: erase(readline, 0, readline->cursor); break;
    case KEY_CTRL_W: erase_word(readline); break;
    default:
        if (byte >= ' ') {
            insert(readline, (const char *)&byte, 1);
        }
    }
}

static void feed_byte(Readline *readline, uint8_t byte)
{
    bool second = byte == KEY_NEWLINE && readline->after_return;

    readline->after_return = byte == KEY_RETURN;
    if (byte == KEY_ESCAPE) { /* also in the middle of a sequence: that one is over */
        readline->state = ESCAPE;
    } else if (readline->state == ESCAPE) {
        readline->state = byte == '[' || byte == 'O' ? SEQUENCE : PLAIN;
        readline->parameter = 0;
    } else if (readline->state == SEQUENCE) {
        if (g_ascii_isdigit(byte)) {
            readline->parameter = MIN(readline->parameter * 10 + (byte - '0'), 1000);
        } else if (byte >= 0x40) { /* ECMA-48, section 5.4: final bytes */
            readline->state = PLAIN;
            sequence(readline, byte);
        }
    } else if (byte == KEY_RETURN || (byte == KEY_NEWLINE && !second)) {
        end_line(readline);
    } else if (!second) {
        key(readline, byte);
    }
}

void readline_feed(Readline *readline, const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        feed_byte(readline, data[i]);
    }
}
