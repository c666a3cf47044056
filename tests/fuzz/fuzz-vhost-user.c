/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what is read of a vhost-user back end: all answers from negotiation to the end of a ring.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "hw/virtio/vhost-user.h"

#define RAM_SIZE 4096
#define INPUT_SIZE 4096 /* a socket's buffer takes more */

static void run(VhostUser *user)
{
    uint8_t config[VHOST_USER_MAX_CONFIG], ram[RAM_SIZE];
    const GuestRam region = { .name = "ram", .size = sizeof(ram), .host = ram, .shareable = true,
                              .fd = STDERR_FILENO };
    const VhostRing ring = { .size = 16, .descriptors = ram, .available = ram, .used = ram,
                             .kick = STDERR_FILENO, .call = STDERR_FILENO };
    g_autoptr(GError) err = NULL;
    uint16_t base;

    memset(config, 0, sizeof(config));
    memset(ram, 0, sizeof(ram));
    if (!vhost_user_negotiate(user, &err)) {
        g_assert_nonnull(err);
        return;
    }
    g_assert_no_error(err);
    g_assert_cmpuint(vhost_user_max_queues(user), >=, 1);
    g_assert_cmpuint(vhost_user_max_queues(user), <=, VIRTIO_MAX_QUEUES);
    if (vhost_user_get_config(user, config, 60, NULL)) {
        vhost_user_set_config(user, 32, config + 32, 1, NULL);
    }
    vhost_user_ops.start(user, VIRTIO_F_VERSION_1, &region, 1, NULL);
    vhost_user_ops.start_ring(user, &ring, NULL);
    if (vhost_user_ops.stop_ring(user, 0, &base, NULL)) {
        g_assert_false(vhost_user_is_broken(user));
    }
    vhost_user_check(user, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];

    if (size > INPUT_SIZE) {
        return 0;
    }
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_cmpint(send(pair[1], data, size, 0), ==, (ssize_t)size);
    shutdown(pair[1], SHUT_WR); /* after the input the back end is gone, not silent */
    VhostUser *user = vhost_user_new(pair[0], "dev0");
    run(user);
    vhost_user_free(user);
    close(pair[0]);
    close(pair[1]);
    return 0;
}
