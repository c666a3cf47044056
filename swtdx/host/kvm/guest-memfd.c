/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_memfd (kvm-tdx ABI 2.4). The descriptor has a size and file operations but no contents that
 * the program could reach: what a slot bound to it holds is the module's, and a mapping of it,
 * which Linux allows from 6.18 on, is one of pages that nobody may touch.
 */
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "host.h"
#include "raw.h"

#define BACKING_FLOOR 512 /* out of the way of programs that count on low descriptor numbers */

/* KVM_CAP_GUEST_MEMFD_FLAGS of the VM. */
static uint64_t valid_flags(const Vm *vm)
{
    return host_kernel_at_least(vm->host, 6, 18)
               ? ABI_GUEST_MEMFD_MMAP |
                     (vm->type == ABI_VM_TDX ? 0 : ABI_GUEST_MEMFD_INIT_SHARED)
               : 0;
}

/* A file without pages raises SIGBUS at any touch, as pages that are not shared do. */
static int make_mappable(GuestMemfd *gmem, uint64_t flags)
{
    void *shared = (void *)syscall(SYS_mmap, NULL, gmem->size, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, (off_t)0);
    if (shared == MAP_FAILED) {
        return -ENOMEM;
    }
    gmem->shared = shared;
    int fd = (int)raw_result(syscall(SYS_memfd_create, "swtdx-guest-memfd", MFD_CLOEXEC));
    if (fd < 0) {
        return fd;
    }
    gmem->backing = raw_fcntl(fd, F_DUPFD_CLOEXEC, BACKING_FLOOR);
    if (gmem->backing < 0) {
        gmem->backing = fd;
    } else {
        raw_close(fd);
    }
    return flags & ABI_GUEST_MEMFD_INIT_SHARED
               ? (int)raw_result(syscall(SYS_ftruncate, gmem->backing, (off_t)gmem->size))
               : 0;
}

void gmem_free(GuestMemfd *gmem)
{
    if (gmem->backing >= 0) {
        raw_close(gmem->backing);
    }
    if (gmem->shared) {
        syscall(SYS_munmap, gmem->shared, gmem->size);
    }
    free(gmem);
}

int gmem_create(Vm *vm, uintptr_t arg)
{
    AbiCreateGuestMemfd create;
    if (user_read(&create, arg, sizeof(create)) < 0) {
        return -EFAULT;
    }
    if ((create.flags & ~valid_flags(vm)) || (int64_t)create.size <= 0 || (create.size & 0xfff)) {
        return -EINVAL;
    }
    GuestMemfd *gmem = calloc(1, sizeof(*gmem));
    if (!gmem) {
        return -ENOMEM;
    }
    gmem->vm = vm;
    gmem->size = create.size;
    gmem->backing = -1;
    int fd = create.flags & ABI_GUEST_MEMFD_MMAP ? make_mappable(gmem, create.flags) : 0;
    if (!fd) {
        vm_get(vm);
        fd = file_install(vm->host, KVM_FILE_GUEST_MEMFD, vm, NULL, gmem, false);
        if (fd < 0) {
            vm_put(vm);
        }
    }
    if (fd < 0) {
        gmem_free(gmem);
        return fd;
    }
    TRACE(vm->host, "guest-memfd", T_D("fd", fd), T_X("size", create.size),
          T_X("flags", create.flags));
    return fd;
}

intptr_t gmem_mmap(GuestMemfd *gmem, void *addr, size_t length, int prot, int flags, off_t offset)
{
    if (gmem->backing < 0) {
        return -ENODEV;
    }
    if ((flags & MAP_TYPE) != MAP_SHARED && (flags & MAP_TYPE) != MAP_SHARED_VALIDATE) {
        return -EINVAL;
    }
    return raw_result(syscall(SYS_mmap, addr, length, prot, flags, gmem->backing, offset));
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

/* The shared side of a file that can be mapped loses its pages, too. */
static void discard_shared(GuestMemfd *gmem, uint64_t offset, uint64_t length)
{
    if (gmem->shared && offset < gmem->size) {
        length = length < gmem->size - offset ? length : gmem->size - offset;
        syscall(SYS_madvise, gmem->shared + offset, length, MADV_DONTNEED);
        syscall(SYS_fallocate, gmem->backing, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
                (off_t)offset, (off_t)length);
    }
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
        discard_shared(gmem, start, size);
        return 0;
    }
    return start > gmem->size || size > gmem->size - start ? -EINVAL : 0;
}
