/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a device's bytes come from and go to: stdio, file, null. The front end (a serial port) registers; output may be called from any thread. */
#ifndef CHARDEV_CHARDEV_H
#define CHARDEV_CHARDEV_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Chardev Chardev;

typedef struct ChardevFrontend {
    /* How many bytes the front end can take now. Main loop thread. */
    unsigned (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *data, unsigned n);
} ChardevFrontend;

/* QEMU's -serial argument: "stdio", "mon:stdio", "null", "none", "file:PATH". `escape`: C-a keys (C-a x quits, C-a h helps, C-a C-a sends C-a). quit() is called on C-a x. NULL for "none" without error. */
Chardev *chardev_open(const char *spec, bool escape, void (*quit)(void *opaque), void *opaque, GError **errp);
void chardev_close(Chardev *chardev); /* restores the terminal */
void chardev_attach(Chardev *chardev, const ChardevFrontend *frontend, void *opaque);
/* The front end has room again. */
void chardev_accept_input(Chardev *chardev);
/* Writes all, blocking; a gone reader is not an error. */
void chardev_write(Chardev *chardev, const uint8_t *data, unsigned n);

#endif
