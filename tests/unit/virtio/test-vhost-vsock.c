/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-vsock against scripted ioctls: which come in which order with what, and what becomes of
 * each that fails.
 */
#include "hw/virtio/vhost-ioctls.h"

#include <errno.h>
#include <fcntl.h>

#include "driver.h"
#include "hw/virtio/vhost-kernel.h"

#define GOOD (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)

/* The kernel: ioctl(2) has no argument to hang this on. */
static struct {
    GString *calls;          /* letters, in order */
    unsigned long fail;      /* request */
    uint64_t offered, features, cid;
    int running;
    unsigned size, base;
    uint64_t used, ram_size, ram_host;
} kernel;

static const struct {
    unsigned long request;
    char letter;
} letters[] = {
    { VHOST_SET_OWNER, 'o' }, { VHOST_GET_FEATURES, 'f' }, { VHOST_VSOCK_SET_GUEST_CID, 'c' },
    { VHOST_SET_FEATURES, 'F' },
    { VHOST_SET_MEM_TABLE, 'M' }, { VHOST_SET_VRING_NUM, 'N' }, { VHOST_SET_VRING_BASE, 'B' },
    { VHOST_SET_VRING_ADDR, 'A' },
    { VHOST_SET_VRING_CALL, 'C' }, { VHOST_SET_VRING_KICK, 'K' }, { VHOST_VSOCK_SET_RUNNING, 'R' },
    { VHOST_GET_VRING_BASE, 'b' },
};

static int scripted(int fd, unsigned long request, void *argument)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(letters); i++) {
        if (letters[i].request == request) {
            g_string_append_c(kernel.calls, letters[i].letter);
        }
    }
    if (request == kernel.fail) {
        errno = EBUSY;
        return -1;
    }
    switch (request) {
    case VHOST_GET_FEATURES: *(uint64_t *)argument = kernel.offered; break;
    case VHOST_SET_FEATURES: kernel.features = *(uint64_t *)argument; break;
    case VHOST_VSOCK_SET_GUEST_CID: kernel.cid = *(uint64_t *)argument; break;
    case VHOST_VSOCK_SET_RUNNING: kernel.running = *(int *)argument; break;
    case VHOST_SET_VRING_NUM: kernel.size = ((struct vhost_vring_state *)argument)->num; break;
    case VHOST_SET_VRING_BASE: kernel.base = ((struct vhost_vring_state *)argument)->num; break;
    case VHOST_GET_VRING_BASE: ((struct vhost_vring_state *)argument)->num = 5; break;
    case VHOST_SET_VRING_ADDR:
        kernel.used = ((struct vhost_vring_addr *)argument)->used_user_addr;
        break;
    case VHOST_SET_MEM_TABLE: {
        const struct vhost_memory *memory = argument;
        g_assert_cmpuint(memory->nregions, ==, 1);
        kernel.ram_size = memory->regions[0].memory_size;
        kernel.ram_host = memory->regions[0].userspace_addr;
        break;
    }
    default: break;
    }
    return 0;
}

typedef struct Fixture {
    Driver d;
    VhostVsock *vsock;
} Fixture;

static VhostVsock *make(Fixture *f, uint64_t cid, GError **errp)
{
    VirtioEnvironment environment = driver_environment(&f->d, "vsock0");

    return vhost_vsock_new(open("/dev/null", O_RDWR | O_CLOEXEC), cid, scripted, &environment,
                           errp);
}

static void set_up(Fixture *f, gconstpointer data)
{
    memset(&kernel, 0, sizeof(kernel));
    kernel.calls = g_string_new(NULL);
    kernel.offered = VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_EVENT_IDX |
                     UINT64_C(1) << 26;
    driver_init(&f->d);
    if (!data) {
        f->vsock = make(f, 42, NULL);
        g_assert_nonnull(f->vsock);
        driver_plug(&f->d, vhost_vsock_device(f->vsock), 4);
    }
}

static void tear_down(Fixture *f, gconstpointer data)
{
    driver_free(&f->d);
    vhost_vsock_free(f->vsock);
    g_string_free(kernel.calls, TRUE);
}

static void test_works(Fixture *f, gconstpointer data)
{
    g_assert_cmpstr(kernel.calls->str, ==, "ofc");
    g_assert_cmpuint(kernel.cid, ==, 42);
    g_assert_cmpuint(driver_read(&f->d, f->d.config, 8), ==, 42);
    g_assert_cmphex(driver_offered(&f->d), ==, GOOD | VIRTIO_F_EVENT_IDX);
    g_string_set_size(kernel.calls, 0);
    driver_start(&f->d, GOOD, 3, 16);
    g_assert_cmphex(driver_status(&f->d), ==, 0xf);
    /* the events' queue is not the kernel's */
    g_assert_cmpstr(kernel.calls->str, ==, "FMNBACKNBACKR");
    g_assert_cmphex(kernel.features, ==, VIRTIO_F_VERSION_1); /* nobody is to translate addresses */
    g_assert_cmpuint(kernel.size, ==, 16);
    g_assert_cmpuint(kernel.base, ==, 0);
    g_assert_cmpuint(kernel.ram_size, ==, RAM_SIZE);
    g_assert_cmphex(kernel.ram_host, ==, (uintptr_t)f->d.ram);
    g_assert_cmphex(kernel.used, ==, (uintptr_t)f->d.ram + QUEUE_BASE + QUEUE_STRIDE + 0x5000);
    g_assert_cmpint(kernel.running, ==, 1);
    g_string_set_size(kernel.calls, 0);
    driver_set_status(&f->d, 0);
    g_assert_cmpstr(kernel.calls->str, ==, "RbKCbKC");
    g_assert_cmpint(kernel.running, ==, 0);
    driver_start(&f->d, GOOD, 3, 16);
    g_assert_cmphex(driver_status(&f->d), ==, 0xf);
}

static void test_start_fails(Fixture *f, gconstpointer data)
{
    static const unsigned long requests[] = {
        VHOST_SET_FEATURES, VHOST_SET_MEM_TABLE, VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE,
        VHOST_SET_VRING_ADDR, VHOST_SET_VRING_CALL,
        VHOST_SET_VRING_KICK, VHOST_VSOCK_SET_RUNNING,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(requests); i++) {
        kernel.fail = requests[i];
        driver_start(&f->d, GOOD, 3, 16);
        g_assert_cmphex(driver_status(&f->d), ==, 0xf | VIRTIO_STATUS_NEEDS_RESET);
        kernel.fail = 0;
        driver_start(&f->d, GOOD, 3, 16);
        g_assert_cmphex(driver_status(&f->d), ==, 0xf);
    }
}

static void test_stop_fails(Fixture *f, gconstpointer data)
{
    kernel.fail = VHOST_GET_VRING_BASE;
    for (unsigned i = 0; i < 3; i++) {
        driver_start(&f->d, GOOD, 3, 16);
        g_assert_cmphex(driver_status(&f->d), ==, 0xf);
        driver_set_status(&f->d, 0);
        g_assert_cmphex(driver_status(&f->d), ==, 0);
    }
}

static void test_refused(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint64_t cid;
        unsigned long fail;
        bool legacy;
        const char *error;
    } rows[] = {
        { "no address", 0, 0, false, "guest-cid=0" }, { "the host's", 2, 0, false, "guest-cid=2" },
        { "any", UINT32_MAX, 0, false, "guest-cid=4294967295" },
        { "too large", UINT64_C(1) << 32, 0, false, "guest-cid=4294967296" },
        { "taken", 7, VHOST_VSOCK_SET_GUEST_CID, false, "may be another guest's" },
        { "owned", 7, VHOST_SET_OWNER, false, "VHOST_SET_OWNER" },
        { "features", 7, VHOST_GET_FEATURES, false, "VHOST_GET_FEATURES" },
        { "legacy", 7, 0, true, "VIRTIO_F_VERSION_1" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) err = NULL;

        g_test_message("%s", rows[i].label);
        kernel.fail = rows[i].fail;
        kernel.offered = rows[i].legacy ? 0 : VIRTIO_F_VERSION_1;
        g_assert_null(make(f, rows[i].cid, &err));
        g_assert_nonnull(strstr(err->message, rows[i].error));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/vhost-vsock/works", Fixture, NULL, set_up, test_works, tear_down);
    g_test_add("/vhost-vsock/start-fails", Fixture, NULL, set_up, test_start_fails, tear_down);
    g_test_add("/vhost-vsock/stop-fails", Fixture, NULL, set_up, test_stop_fails, tear_down);
    g_test_add("/vhost-vsock/refused", Fixture, "none", set_up, test_refused, tear_down);
    return g_test_run();
}
