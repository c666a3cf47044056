/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The C-a keys of a chardev that several front ends share, or that is the user's terminal. */
#include <string.h>

#include "chardev-internal.h"

#define KEY_ESCAPE 0x01 /* C-a */

static void say(Chardev *chardev, const char *text)
{
    chardev_write(chardev, (const uint8_t *)text, strlen(text));
}

static void tell(const FrontendSlot *slot, ChardevEvent event)
{
    if (slot->ops->event) {
        slot->ops->event(slot->opaque, event);
    }
}

static void next_frontend(Chardev *chardev)
{
    if (chardev->num_slots < 2) {
        say(chardev, "\r\nThere is no monitor on this terminal\r\n");
        return;
    }
    tell(&chardev->slots[chardev->focus], CHARDEV_FOCUS_OUT);
    chardev->focus = (chardev->focus + 1) % chardev->num_slots;
    tell(&chardev->slots[chardev->focus], CHARDEV_FOCUS_IN);
    chardev_accept_input(chardev);
}

/* The key after C-a; true if the byte is to be passed on. */
static bool after_escape(Chardev *chardev, uint8_t key)
{
    switch (key) {
    case KEY_ESCAPE:
        return true;
    case 'x':
        say(chardev, "\r\nTerminated\r\n");
        if (chardev->host->quit) {
            chardev->host->quit(chardev->host->opaque);
        }
        return false;
    case 'c':
        next_frontend(chardev);
        return false;
    case 'b':
        if (chardev->num_slots) {
            tell(&chardev->slots[chardev->focus], CHARDEV_BREAK);
        }
        return false;
    case 'h':
    case '?':
        say(chardev, "\r\nC-a h    this help\r\nC-a x    quit\r\nC-a b    send a break\r\n"
                     "C-a c    switch between the console and the monitor\r\nC-a C-a  send C-a to "
                     "the guest\r\n");
        return false;
    default:
        return false;
    }
}

/*
 * A change of focus splits the bytes: those before it belong to the front end that had the keys
 * then. They are put among the pending ones at once, and what that front end has no room for goes
 * to the next one with them.
 */
unsigned chardev_escape_filter(Chardev *chardev, uint8_t *data, unsigned n)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < n; i++) {
        uint8_t key = data[i];
        if (chardev->after_escape) {
            chardev->after_escape = false;
            if (key == 'c' && kept && chardev->num_slots) {
                const FrontendSlot *slot = &chardev->slots[chardev->focus];
                unsigned room = slot->ops->can_receive(slot->opaque);
                slot->ops->receive(slot->opaque, data, MIN(room, kept));
                kept = 0;
            }
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
