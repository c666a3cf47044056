/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory slots with a shared and a private half, and conversions between them.
 *
 * KVM keeps an attribute for each page, and setting it costs time for each page; so memory that
 * nobody spoke of yet stays at KVM's default, shared, and is made private in steps of
 * KVM_PRIVATE_STEP when the guest first touches a step privately. A step is settled when its
 * attributes were set on purpose: from then on only what the guest asks for is changed, or a page
 * that it shared would be made private under it by a neighbour's fault.
 */
#include <errno.h>
#include <inttypes.h>

#include "kvm-internal.h"
#include "kvm-sys.h"
#include "system/core/log.h"
#include "util/bytes.h"
#include "util/error.h"

#define PAGE_SIZE UINT64_C(4096)

typedef struct Span {
    hwaddr start, end;
} Span;

static hwaddr slot_end(const KvmSlot *slot)
{
    return slot->gpa + slot->size;
}

/*
 * The part of [gpa, gpa + size) inside a slot; empty (start == end) if there is none. The range
 * must not wrap.
 */
static Span slot_clip(const KvmSlot *slot, hwaddr gpa, uint64_t size)
{
    hwaddr start = MAX(gpa, slot->gpa);
    hwaddr end = MIN(gpa + size, slot_end(slot));

    return (Span) { start, MAX(start, end) };
}

static unsigned slot_step(const KvmSlot *slot, hwaddr gpa)
{
    return (unsigned)(gpa / KVM_PRIVATE_STEP - slot->gpa / KVM_PRIVATE_STEP);
}

static Span slot_step_span(const KvmSlot *slot, unsigned step)
{
    hwaddr base = (slot->gpa / KVM_PRIVATE_STEP + step) * KVM_PRIVATE_STEP;

    return slot_clip(slot, base, KVM_PRIVATE_STEP);
}

void kvm_slot_free(KvmSlot *slot)
{
    if (slot->memfd >= 0) {
        kvm_sys_close(slot->memfd);
    }
    kvm_slot_free_state(slot);
    g_free(slot->settled);
    g_free(slot->name);
    g_free(slot);
}

static int create_guest_memfd(KvmVm *vm, uint64_t size)
{
    struct kvm_create_guest_memfd create = { .size = size };
    int fd = kvm_vm_ioctl(vm, KVM_CREATE_GUEST_MEMFD, &create);

    if (fd >= 0) {
        int ret = kvm_sys_set_cloexec(fd);

        if (ret < 0) {
            kvm_sys_close(fd);
            return ret;
        }
    }
    return fd;
}

static bool check_memory(KvmVm *vm, const char *name, hwaddr gpa, uint64_t size,
                         const uint8_t *host, GError **errp)
{
    if (size == 0 || size % PAGE_SIZE || gpa % PAGE_SIZE || (uintptr_t)host % PAGE_SIZE ||
        gpa + size < gpa) {
        return error_set(errp,
                         "Memory '%s' at 0x%" PRIx64 ", size 0x%" PRIx64
                         ", is not made of whole 4 KiB pages",
                         name, gpa, size);
    }
    for (unsigned i = 0; i < vm->slots->len; i++) {
        const KvmSlot *other = g_ptr_array_index(vm->slots, i);

        if (ranges_overlap(gpa, size, other->gpa, other->size)) {
            return error_set(errp,
                             "Memory '%s' at 0x%" PRIx64 ", size 0x%" PRIx64
                             ", overlaps '%s' at 0x%" PRIx64 ", size 0x%" PRIx64,
                             name, gpa, size, other->name, other->gpa, other->size);
        }
    }
    return true;
}

static bool add_memory_locked(KvmVm *vm, const char *name, hwaddr gpa, uint64_t size, uint8_t *host,
                              uint32_t flags, GError **errp)
{
    bool private_memory = flags & KVM_MEM_GUEST_MEMFD;

    if (!check_memory(vm, name, gpa, size, host, errp)) {
        return false;
    }
    int memfd = private_memory ? create_guest_memfd(vm, size) : -1;
    if (private_memory && memfd < 0) {
        return error_set(errp,
                         "Error creating KVM guest_memfd of 0x%" PRIx64
                         " bytes for memory '%s': %s",
                         size, name, g_strerror(-memfd));
    }
    struct kvm_userspace_memory_region2 region = {
        .slot = vm->slots->len,
        .flags = flags,
        .guest_phys_addr = gpa,
        .memory_size = size,
        .userspace_addr = (uintptr_t)host,
        .guest_memfd = private_memory ? (uint32_t)memfd : 0,
    };
    int ret = kvm_vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region);
    /* before Linux 6.8: the same structure without its last members */
    if (ret == -ENOTTY && !private_memory) {
        ret = kvm_vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
    }
    if (ret < 0) {
        if (memfd >= 0) {
            kvm_sys_close(memfd);
        }
        return error_set(errp,
                         "KVM_SET_USER_MEMORY_REGION2 for memory '%s' at 0x%" PRIx64
                         ", size 0x%" PRIx64 ", slot %u failed: %s",
                         name, gpa, size, region.slot, g_strerror(-ret));
    }
    KvmSlot *slot = g_new0(KvmSlot, 1);
    *slot = (KvmSlot){.name = g_strdup(name),
                      .id = region.slot,
                      .gpa = gpa,
                      .size = size,
                      .host = host,
                      .memfd = memfd};
    slot->num_steps = slot_step(slot, slot_end(slot) - 1) + 1;
    slot->settled = g_new0(uint8_t, slot->num_steps);
    if (private_memory) {
        slot->shared = g_new0(uint64_t *, slot->num_steps);
        vm->memory_stats.private_bytes += size;
    } else {
        vm->memory_stats.shared_bytes += size;
    }
    g_ptr_array_add(vm->slots, slot);
    return true;
}

bool kvm_vm_add_memory(KvmVm *vm, const char *name, hwaddr gpa, uint64_t size, uint8_t *host,
                       bool private_memory, GError **errp)
{
    g_mutex_lock(&vm->slots_lock);
    bool ok = add_memory_locked(vm, name, gpa, size, host, private_memory ? KVM_MEM_GUEST_MEMFD : 0,
                                errp);
    g_mutex_unlock(&vm->slots_lock);
    return ok;
}

bool kvm_vm_add_rom(KvmVm *vm, const char *name, hwaddr gpa, uint64_t size, uint8_t *host,
                    GError **errp)
{
    g_mutex_lock(&vm->slots_lock);
    bool ok = add_memory_locked(vm, name, gpa, size, host, KVM_MEM_READONLY, errp);
    g_mutex_unlock(&vm->slots_lock);
    return ok;
}

static int set_attribute(KvmVm *vm, Span span, bool to_private)
{
    struct kvm_memory_attributes attributes = {
        .address = span.start,
        .size = span.end - span.start,
        .attributes = to_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
    };
    int ret;

    do {
        ret = kvm_vm_ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &attributes);
    } while (ret == -EINTR);
    return MIN(ret, 0);
}

/* Memory that cannot be given back stays allocated twice, which costs but breaks nothing. */
static void discard_other_half(const KvmSlot *slot, Span span, bool to_private)
{
    uint64_t offset = span.start - slot->gpa, size = span.end - span.start;
    int ret = to_private ? kvm_sys_discard(slot->host + offset, size)
                         : kvm_sys_punch(slot->memfd, offset, size);

    if (ret < 0) {
        log_item(LOG_TDX,
                 "memory '%s': the %s half of 0x%" PRIx64 ", size 0x%" PRIx64
                 " was not given back: %s",
                 slot->name, to_private ? "shared" : "private", span.start, size, g_strerror(-ret));
    }
}

/*
 * Makes the steps that [span] touches private, but for those the caller is about to set as a whole.
 * What the shared half holds is kept: a guest that shared pages without asking finds them again by
 * the fault that converts them back.
 */
static int settle_steps(KvmVm *vm, KvmSlot *slot, Span span)
{
    for (unsigned step = slot_step(slot, span.start); step <= slot_step(slot, span.end - 1);
         step++) {
        if (slot->settled[step]) {
            continue;
        }
        Span whole = slot_step_span(slot, step);

        if (span.start > whole.start || span.end < whole.end) {
            int ret = set_attribute(vm, whole, true);

            if (ret < 0) {
                return ret;
            }
        }
        slot->settled[step] = 1;
    }
    return 0;
}

static int convert_slot(KvmVm *vm, KvmSlot *slot, Span span, bool to_private)
{
    int ret = settle_steps(vm, slot, span);

    if (ret == 0) {
        ret = set_attribute(vm, span, to_private);
    }
    if (ret == 0) {
        discard_other_half(slot, span, to_private);
        kvm_slot_note_state(slot, span.start, span.end, to_private, &vm->memory_stats);
    }
    return ret;
}

int kvm_vm_convert(KvmVm *vm, hwaddr gpa, uint64_t size, bool to_private)
{
    int ret = 0;

    if (size == 0 || gpa % PAGE_SIZE || size % PAGE_SIZE || gpa + size < gpa) {
        return -EINVAL;
    }
    g_mutex_lock(&vm->slots_lock);
    for (unsigned i = 0; i < vm->slots->len && ret == 0; i++) {
        KvmSlot *slot = g_ptr_array_index(vm->slots, i);
        Span span = slot_clip(slot, gpa, size);

        if (slot->memfd >= 0 && span.start < span.end) {
            ret = convert_slot(vm, slot, span, to_private);
        }
    }
    g_mutex_unlock(&vm->slots_lock);
    return ret;
}

static KvmSlot *find_private_slot(KvmVm *vm, hwaddr gpa, uint64_t size)
{
    for (unsigned i = 0; i < vm->slots->len; i++) {
        KvmSlot *slot = g_ptr_array_index(vm->slots, i);

        if (slot->memfd >= 0 && gpa >= slot->gpa &&
            range_inside(gpa - slot->gpa, size, slot->size)) {
            return slot;
        }
    }
    return NULL;
}

bool kvm_vm_has_private_memory(KvmVm *vm, hwaddr gpa, uint64_t size)
{
    g_mutex_lock(&vm->slots_lock);
    bool found = find_private_slot(vm, gpa, size) != NULL;
    g_mutex_unlock(&vm->slots_lock);
    return found;
}

bool kvm_vm_resolve_fault(KvmVm *vm, hwaddr gpa, uint64_t size, bool to_private, const char **why,
                          int *error)
{
    int ret;

    *error = 0;
    if (size == 0 || gpa % PAGE_SIZE || size % PAGE_SIZE || gpa + size < gpa) {
        *why = "the range is not made of whole pages";
        return false;
    }
    g_mutex_lock(&vm->slots_lock);
    KvmSlot *slot = find_private_slot(vm, gpa, size);

    if (!slot) {
        g_mutex_unlock(&vm->slots_lock);
        *why = "there is no memory with a private half at this address";
        return false;
    }
    unsigned step = slot_step(slot, gpa);
    if (to_private && !slot->settled[step] && gpa + size <= slot_step_span(slot, step).end) {
        ret = set_attribute(vm, slot_step_span(slot, step), true);
        slot->settled[step] = ret == 0;
    } else {
        ret = convert_slot(vm, slot, (Span) { gpa, gpa + size }, to_private);
    }
    g_mutex_unlock(&vm->slots_lock);
    *error = -ret;
    *why = ret < 0 ? "KVM_SET_MEMORY_ATTRIBUTES failed" : NULL;
    return ret == 0;
}
