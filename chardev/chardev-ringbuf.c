/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device in memory that keeps the last bytes it was given, until somebody reads them.
 */
#include "chardev-internal.h"

static void ring_write(Chardev *chardev, const uint8_t *data, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        chardev->ring[chardev->ring_in++ & (chardev->ring_size - 1)] = data[i];
    }
    if (chardev->ring_in - chardev->ring_out > chardev->ring_size) {
        chardev->ring_out = chardev->ring_in - chardev->ring_size;
    }
}

static const ChardevBackend ring_backend = { .write = ring_write };

bool chardev_ringbuf_open(Chardev *chardev, const ChardevConfig *config, GError **errp)
{
    chardev->backend = &ring_backend;
    chardev->ring_size = config->size;
    chardev->ring = g_malloc(config->size);
    chardev_set_filename(chardev, g_strdup("ringbuf"));
    chardev->open = true;
    return true;
}

bool chardev_ringbuf_read(Chardev *chardev, uint8_t *data, unsigned *n)
{
    unsigned done = 0;

    if (chardev->backend != &ring_backend) {
        return false;
    }
    g_mutex_lock(&chardev->lock);
    while (done < *n && chardev->ring_out < chardev->ring_in) {
        data[done++] = chardev->ring[chardev->ring_out++ & (chardev->ring_size - 1)];
    }
    g_mutex_unlock(&chardev->lock);
    *n = done;
    return true;
}
