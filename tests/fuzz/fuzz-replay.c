/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replays a corpus: each file as it is, then changed in random places with a fixed seed, so that a
 * normal test run covers more than the corpus and always the same: 3000 times, or N with
 * --mutations=N before the files. Files ending in .hex are text: hexadecimal bytes, '#' starts a
 * comment.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define MUTATIONS 3000u
#define CHANGES_MAX 4

static GByteArray *decode_hex(const char *text)
{
    GByteArray *bytes = g_byte_array_new();

    while (*text) {
        if (*text == '#') {
            text += strcspn(text, "\n");
        } else if (g_ascii_isxdigit(text[0]) && g_ascii_isxdigit(text[1])) {
            guint8 byte = g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]);
            g_byte_array_append(bytes, &byte, 1);
            text += 2;
        } else if (g_ascii_isspace(*text)) {
            text++;
        } else {
            g_byte_array_unref(bytes);
            return NULL;
        }
    }
    return bytes;
}

static GByteArray *read_input(const char *name)
{
    char *text;
    gsize size;

    if (!g_file_get_contents(name, &text, &size, NULL)) {
        return NULL;
    }
    if (!g_str_has_suffix(name, ".hex")) {
        return g_byte_array_new_take((guint8 *)text, size);
    }
    GByteArray *bytes = decode_hex(text);
    g_free(text);
    return bytes;
}

/*
 * The target gets a block of exactly the input's size, so that a sanitizer sees a read beyond it.
 */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void mutate(GRand *random, uint8_t *data, size_t size)
{
    static const uint8_t interesting[] = { 0x00, 0x01, 0x7f, 0x80, 0xff, 0x10, 0x20 };

    for (int n = g_rand_int_range(random, 1, CHANGES_MAX + 1); n > 0; n--) {
        size_t at = g_rand_int_range(random, 0, size);
        switch (g_rand_int_range(random, 0, 3)) {
        case 0: data[at] ^= 1 << g_rand_int_range(random, 0, 8); break;
        case 1:
            data[at] = interesting[g_rand_int_range(random, 0, G_N_ELEMENTS(interesting))];
            break;
        default: data[at] = g_rand_int(random); break;
        }
    }
}

static void replay(const GByteArray *input, unsigned mutations)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    g_autofree uint8_t *changed = g_malloc(input->len ? input->len : 1);

    run(input->data, input->len);
    for (unsigned i = 0; i < mutations && input->len; i++) {
        memcpy(changed, input->data, input->len);
        mutate(random, changed, input->len);
        /* Now and then a short one. */
        run(changed, i % 16 ? input->len : (size_t)g_rand_int_range(random, 0, input->len));
    }
}

int main(int argc, char **argv)
{
    unsigned mutations = MUTATIONS, replayed = 0;
    for (int i = 1; i < argc; i++) {
        if (g_str_has_prefix(argv[i], "--mutations=")) {
            mutations = (unsigned)g_ascii_strtoull(argv[i] + strlen("--mutations="), NULL, 10);
            continue;
        }
        g_autoptr(GByteArray) input = read_input(argv[i]);
        if (!input) {
            fprintf(stderr, "%s: cannot be read as a corpus file\n", argv[i]);
            return 1;
        }
        replay(input, mutations);
        replayed++;
    }
    printf("%u inputs replayed\n", replayed);
    return 0;
}
