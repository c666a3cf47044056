/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rings and memory for back ends in the kernel. */
#include "hw/virtio/vhost-ioctls.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hw/virtio/vhost-kernel.h"
#include "util/error.h"

/* Bits that are vhost's own and no driver's: VHOST_F_LOG_ALL, VHOST_NET_F_VIRTIO_NET_HDR */
#define OWN_FEATURES (UINT64_C(1) << 26 | UINT64_C(1) << 27)

struct VhostKernel {
    int fd;
    char *what;
    VhostIoctl call;
    uint64_t features;
    bool (*run)(VhostKernel *kernel, bool on, GError **errp);
};

static int call_kernel(int fd, unsigned long request, void *argument)
{
    return ioctl(fd, request, argument);
}

bool vhost_kernel_call(VhostKernel *kernel, unsigned long request, const char *name, void *argument,
                       GError **errp)
{
    while (kernel->call(kernel->fd, request, argument) < 0) {
        if (errno != EINTR) {
            return error_set(errp, "%s: %s: %s", kernel->what, name, g_strerror(errno));
        }
    }
    return true;
}

#define CALL(kernel, request, argument, errp) \
    vhost_kernel_call(kernel, request, #request, argument, errp)

VhostKernel *vhost_kernel_new(int fd, const char *what, VhostIoctl call, GError **errp)
{
    VhostKernel *kernel = g_new0(VhostKernel, 1);

    *kernel = (VhostKernel) { .fd = fd, .what = g_strdup(what), .call = call ? call : call_kernel };
    if (!CALL(kernel, VHOST_SET_OWNER, NULL, errp) ||
        !CALL(kernel, VHOST_GET_FEATURES, &kernel->features, errp)) {
        error_hint(errp, "A descriptor that was given (vhostfd=) must be one of %s that no other "
                         "device has", what);
        vhost_kernel_free(kernel);
        return NULL;
    }
    if (!(kernel->features & VIRTIO_F_VERSION_1)) {
        error_set(errp, "%s: the kernel's back end does not offer VIRTIO_F_VERSION_1", what);
        vhost_kernel_free(kernel);
        return NULL;
    }
    return kernel;
}

void vhost_kernel_free(VhostKernel *kernel)
{
    if (kernel) {
        close(kernel->fd);
        g_free(kernel->what);
        g_free(kernel);
    }
}

uint64_t vhost_kernel_features(const VhostKernel *kernel)
{
    return kernel->features & ~OWN_FEATURES;
}

void vhost_kernel_set_run(VhostKernel *kernel,
                          bool (*run)(VhostKernel *kernel, bool on, GError **errp))
{
    kernel->run = run;
}

static bool start(void *opaque, uint64_t features, const GuestRam *ram, unsigned num_ram,
                  GError **errp)
{
    VhostKernel *kernel = opaque;
    g_autofree struct vhost_memory *memory = g_malloc0(sizeof(*memory) +
                                                       num_ram * sizeof(memory->regions[0]));

    for (unsigned i = 0; i < num_ram; i++) {
        if (!ram[i].rom) {
            memory->regions[memory->nregions++] = (struct vhost_memory_region) {
                .guest_phys_addr = ram[i].gpa, .memory_size = ram[i].size,
                .userspace_addr = (uintptr_t)ram[i].host,
            };
        }
    }
    return CALL(kernel, VHOST_SET_FEATURES, &features, errp) &&
           CALL(kernel, VHOST_SET_MEM_TABLE, memory, errp);
}

static bool start_ring(void *opaque, const VhostRing *ring, GError **errp)
{
    VhostKernel *kernel = opaque;
    struct vhost_vring_state size = { ring->index, ring->size }, base = { ring->index, ring->base };
    struct vhost_vring_addr addresses = {
        .index = ring->index, .desc_user_addr = (uintptr_t)ring->descriptors,
        .used_user_addr = (uintptr_t)ring->used,
        .avail_user_addr = (uintptr_t)ring->available,
    };
    struct vhost_vring_file kick = { ring->index, ring->kick },
    interrupt = { ring->index, ring->call };

    return CALL(kernel, VHOST_SET_VRING_NUM, &size, errp) &&
           CALL(kernel, VHOST_SET_VRING_BASE, &base, errp) &&
           CALL(kernel, VHOST_SET_VRING_ADDR, &addresses, errp) &&
           CALL(kernel, VHOST_SET_VRING_CALL, &interrupt, errp) &&
           CALL(kernel, VHOST_SET_VRING_KICK, &kick, errp);
}

/* The descriptors are let go of too: what the guest signals later is not the kernel's any more. */
static bool stop_ring(void *opaque, unsigned index, uint16_t *base, GError **errp)
{
    VhostKernel *kernel = opaque;
    struct vhost_vring_state state = { index, 0 };
    struct vhost_vring_file kick = { index, -1 }, interrupt = { index, -1 };
    bool ok = CALL(kernel, VHOST_GET_VRING_BASE, &state, errp);

    *base = (uint16_t)state.num;
    return CALL(kernel, VHOST_SET_VRING_KICK, &kick, ok ? errp : NULL) &&
           CALL(kernel, VHOST_SET_VRING_CALL, &interrupt, ok ? errp : NULL) && ok;
}

static bool run(void *opaque, bool on, GError **errp)
{
    VhostKernel *kernel = opaque;

    return !kernel->run || kernel->run(kernel, on, errp);
}

const VhostOps vhost_kernel_ops = { .start = start, .start_ring = start_ring,
                                    .stop_ring = stop_ring, .run = run };
