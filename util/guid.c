/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GUID text form, and comparison with stored bytes. */
#include "util/guid.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

/* Where each stored byte stands among the 16 bytes of the text form. */
static const uint8_t text_order[GUID_SIZE] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14,
                                               15 };

bool guid_parse(const char *text, uint8_t guid[GUID_SIZE])
{
    uint8_t plain[GUID_SIZE];
    unsigned n = 0;

    for (unsigned i = 0; i < GUID_TEXT_SIZE - 1;) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i++] != '-') {
                return false;
            }
            continue;
        }
        int high = g_ascii_xdigit_value(text[i]);
        int low = high < 0 ? -1 : g_ascii_xdigit_value(text[i + 1]);
        if (low < 0) {
            return false;
        }
        plain[n++] = high << 4 | low;
        i += 2;
    }
    if (text[GUID_TEXT_SIZE - 1] != '\0') {
        return false;
    }
    for (unsigned i = 0; i < GUID_SIZE; i++) {
        guid[i] = plain[text_order[i]];
    }
    return true;
}

bool guid_is(const uint8_t *stored, const char *text)
{
    uint8_t wanted[GUID_SIZE];

    return guid_parse(text, wanted) && memcmp(stored, wanted, GUID_SIZE) == 0;
}
