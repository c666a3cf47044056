/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The C-a keys of a serial console on a terminal. */
#include <string.h>

#include "chardev-internal.h"

#define KEY_ESCAPE 0x01 /* C-a */

static void say(Chardev *chardev, const char *text)
{
    chardev_write(chardev, (const uint8_t *)text, strlen(text));
}

/* The key after C-a; true if the byte is to be passed on. */
static bool after_escape(Chardev *chardev, uint8_t key)
{
    switch (key) {
    case KEY_ESCAPE:
        return true;
    case 'x':
        say(chardev, "\r\nTerminated\r\n");
        if (chardev->quit) {
            chardev->quit(chardev->quit_opaque);
        }
        return false;
    case 'c':
        say(chardev, "\r\nThere is no monitor on this terminal\r\n");
        return false;
    case 'h':
    case '?':
        say(chardev, "\r\nC-a h    this help\r\nC-a x    quit\r\nC-a C-a  send C-a to the guest\r\n");
        return false;
    default:
        return false;
    }
}

unsigned chardev_escape_filter(Chardev *chardev, uint8_t *data, unsigned n)
{
    unsigned kept = 0;

    if (!chardev->escape) {
        return n;
    }
    for (unsigned i = 0; i < n; i++) {
        uint8_t key = data[i];
        if (chardev->after_escape) {
            chardev->after_escape = false;
            if (!after_escape(chardev, key)) {
                continue;
            }
        } else if (key == KEY_ESCAPE) {
            chardev->after_escape = true;
            continue;
        }
        data[kept++] = key;
    }
    return kept;
}
