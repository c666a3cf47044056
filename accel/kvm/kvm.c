/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /dev/kvm: opening it, what it offers. */
#include <errno.h>
#include <string.h>

#include "kvm-internal.h"
#include "kvm-sys.h"
#include "util/error.h"

#define KVM_DEVICE "/dev/kvm"

static void open_hints(int error, const char *device, GError **errp)
{
    switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        error_hint(errp,
                   "There is no KVM here: load kvm_intel (modprobe kvm_intel), and check that "
                   "virtualization is enabled in the firmware; in a container, %s must be passed "
                   "in",
                   device);
        break;
    case EACCES:
    case EPERM:
        error_hint(
            errp,
            "Give this user access to %s: add it to the group that owns the device, usually kvm",
            device);
        break;
    default:
        break;
    }
}

Kvm *kvm_open(GError **errp)
{
    return kvm_open_device(KVM_DEVICE, errp);
}

Kvm *kvm_open_device(const char *path, GError **errp)
{
    int fd = kvm_sys_open(path);

    if (fd < 0) {
        error_set(errp, "Could not access KVM kernel module: %s", g_strerror(-fd));
        open_hints(-fd, path, errp);
        return NULL;
    }
    return kvm_open_fd(fd, path, errp);
}

Kvm *kvm_open_fd(int fd, const char *name, GError **errp)
{
    int version = kvm_sys_ioctl(fd, KVM_GET_API_VERSION, 0);
    if (version < 0) {
        error_set(errp, "KVM_GET_API_VERSION failed: %s", g_strerror(-version));
        error_hint(errp, "%s is not KVM's device", name);
        kvm_sys_close(fd);
        return NULL;
    }
    if (version != KVM_API_VERSION) {
        error_set(errp, "kvm version not supported: %s answers %d, expected %d", name, version,
                  KVM_API_VERSION);
        kvm_sys_close(fd);
        return NULL;
    }
    int run_size = kvm_sys_ioctl(fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (run_size < 0) {
        error_set(errp, "KVM_GET_VCPU_MMAP_SIZE failed: %s", g_strerror(-run_size));
        kvm_sys_close(fd);
        return NULL;
    }
    if (run_size < (int)sizeof(struct kvm_run)) {
        error_set(errp, "KVM_GET_VCPU_MMAP_SIZE answers %d, expected at least %zu", run_size,
                  sizeof(struct kvm_run));
        kvm_sys_close(fd);
        return NULL;
    }
    Kvm *kvm = g_new0(Kvm, 1);
    kvm->fd = fd;
    kvm->run_size = (size_t)run_size;
    return kvm;
}

void kvm_close(Kvm *kvm)
{
    if (kvm) {
        kvm_sys_close(kvm->fd);
        g_free(kvm);
    }
}

int kvm_check_extension(Kvm *kvm, unsigned cap)
{
    return kvm_sys_ioctl(kvm->fd, KVM_CHECK_EXTENSION, cap);
}

#define XFEATURE_XTILE_DATA 18

bool kvm_request_guest_state(uint64_t components, GError **errp)
{
    if (!(components >> XFEATURE_XTILE_DATA & 1)) {
        return true;
    }
    int ret = kvm_sys_request_guest_state(XFEATURE_XTILE_DATA);
    if (ret < 0) {
        error_set(errp, "prctl(ARCH_REQ_XCOMP_GUEST_PERM) failure for feature bit %d: %s",
                  XFEATURE_XTILE_DATA, g_strerror(-ret));
        error_hint(errp, "The kernel does not let this process's guests have AMX; use -cpu "
                         "host,-amx-tile to start without it");
    }
    return ret >= 0;
}

/*
 * KVM refuses a too small buffer with E2BIG and tells no size (Documentation/virt/kvm/api.rst,
 * KVM_GET_SUPPORTED_CPUID).
 */
CpuidTable *kvm_supported_cpuid(Kvm *kvm, GError **errp)
{
    for (uint32_t capacity = 128; capacity <= 4096; capacity *= 2) {
        g_autofree struct kvm_cpuid2 *reply =
            g_malloc0(sizeof(*reply) + capacity * sizeof(struct kvm_cpuid_entry2));

        reply->nent = capacity;
        int ret = kvm_sys_ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, (uintptr_t)reply);
        if (ret == -E2BIG) {
            continue;
        }
        if (ret < 0) {
            error_set(errp, "KVM_GET_SUPPORTED_CPUID failed: %s", g_strerror(-ret));
            return NULL;
        }
        if (reply->nent > capacity) {
            error_set(errp, "KVM_GET_SUPPORTED_CPUID answers %u entries in room for %u",
                      reply->nent, capacity);
            return NULL;
        }
        CpuidTable *table = cpuid_table_new();
        g_array_append_vals(table->entries, reply->entries, reply->nent);
        return table;
    }
    error_set(errp, "KVM_GET_SUPPORTED_CPUID has more than 4096 entries");
    return NULL;
}
