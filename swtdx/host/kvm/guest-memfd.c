/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_memfd (kvm-tdx ABI 2.4). The descriptor has a size and file operations but no contents:
 * what a slot bound to it holds is the module's, out of the program's reach.
 */
#include <linux/falloc.h>
#include <stdlib.h>

#include "host.h"
#include "raw.h"

int gmem_create(Vm *vm, uintptr_t arg)
{
    AbiCreateGuestMemfd create;
    if (user_read(&create, arg, sizeof(create)) < 0) {
        return -EFAULT;
    }
    /*
     * 6.18 knows GUEST_MEMFD_FLAG_MMAP; a TD gains nothing from it, and mapping is not done here.
     */
    if ((create.flags & 1) && host_kernel_at_least(vm->host, 6, 18)) {
        host_message(vm->host, "guest_memfd with GUEST_MEMFD_FLAG_MMAP is not built in this "
                               "version: refused");
    }
    if (create.flags || (int64_t)create.size <= 0 || (create.size & 0xfff)) {
        return -EINVAL;
    }
    GuestMemfd *gmem = calloc(1, sizeof(*gmem));
    if (!gmem) {
        return -ENOMEM;
    }
    gmem->vm = vm;
    gmem->size = create.size;
    vm_get(vm);
    int fd = file_install(vm->host, KVM_FILE_GUEST_MEMFD, vm, NULL, gmem, false);
    if (fd < 0) {
        free(gmem);
        vm_put(vm);
        return fd;
    }
    TRACE(vm->host, "guest-memfd", T_D("fd", fd), T_X("size", create.size));
    return fd;
}

/* Removes what slots show of [offset, offset + length). */
static void punch(GuestMemfd *gmem, uint64_t offset, uint64_t length)
{
    Vm *vm = gmem->vm;
    pthread_mutex_lock(&vm->slots_lock);
    for (uint32_t i = 0; vm->td && i < vm->slots_size.count; i++) {
        const MemSlot *s = &vm->slots[i];
        if (s->gmem != gmem) {
            continue;
        }
        uint64_t start = s->gmem_offset > offset ? s->gmem_offset : offset;
        uint64_t end = s->gmem_offset + s->size < offset + length ? s->gmem_offset + s->size
                                                                  : offset + length;
        if (start < end) {
            td_range_remove(vm->td, s->gpa + (start - s->gmem_offset), end - start);
        }
    }
    pthread_mutex_unlock(&vm->slots_lock);
}

void gmem_release(GuestMemfd *gmem)
{
    Vm *vm = gmem->vm;
    record_memory_goes(vm);
    atomic_store(&gmem->released, true);
    punch(gmem, 0, gmem->size);
    /*
     * Slots stay bound to a file that is gone, and their accesses fail with -EFAULT: it is freed
     * with the VM.
     */
    pthread_mutex_lock(&vm->slots_lock);
    gmem->next = vm->released;
    vm->released = gmem;
    pthread_mutex_unlock(&vm->slots_lock);
}

int gmem_fallocate(GuestMemfd *gmem, int mode, off_t offset, off_t length)
{
    if (offset < 0 || length <= 0) {
        return -EINVAL;
    }
    if (!(mode & FALLOC_FL_KEEP_SIZE) || (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))) {
        return -EOPNOTSUPP;
    }
    if (offset > INT64_MAX - length) {
        return -EFBIG;
    }
    if ((offset | length) & 0xfff) {
        return -EINVAL;
    }
    uint64_t start = (uint64_t)offset, size = (uint64_t)length;
    if (mode & FALLOC_FL_PUNCH_HOLE) {
        punch(gmem, start, size);
        return 0;
    }
    return start > gmem->size || size > gmem->size - start ? -EINVAL : 0;
}
