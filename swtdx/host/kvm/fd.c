/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors of ours: pipes recognised by inode, their last close, and what the hooks ask about
 * them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "host.h"
#include "raw.h"

/* Read ends lie high, out of the way of programs that count on low descriptor numbers. */
#define READ_END_FLOOR 512

static KvmFile *file_alloc(KvmHost *host)
{
    KvmFile *file = host->free_files;
    if (file) {
        host->free_files = file->next;
    } else {
        file = calloc(1, sizeof(*file));
    }
    return file;
}

static int move_high(int fd)
{
    int high = raw_fcntl(fd, F_DUPFD_CLOEXEC, READ_END_FLOOR);
    if (high < 0) {
        return fd; /* a small RLIMIT_NOFILE: stay where it is */
    }
    raw_close(fd);
    return high;
}

int file_install(KvmHost *host, KvmFileKind kind, Vm *vm, Vcpu *vcpu, GuestMemfd *gmem,
                 bool cloexec)
{
    int ends[2];
    int r = raw_pipe2(ends, O_CLOEXEC);
    if (r < 0) {
        return r;
    }
    struct stat st;
    if (raw_result(syscall(SYS_fstat, ends[1], &st)) < 0) {
        r = -EIO;
        goto fail;
    }
    if (!cloexec) {
        raw_fcntl(ends[1], F_SETFD, 0);
    }
    ends[0] = move_high(ends[0]);
    pthread_mutex_lock(&host->lock);
    KvmFile *file = file_alloc(host);
    if (!file) {
        pthread_mutex_unlock(&host->lock);
        r = -ENOMEM;
        goto fail;
    }
    file->kind = kind;
    file->host = host;
    file->vm = vm;
    file->vcpu = vcpu;
    file->gmem = gmem;
    file->read_end = ends[0];
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    file->other_mm = false;
    atomic_store(&file->mappings, 0);
    atomic_store(&file->closed, false);
    file->next = host->files;
    host->files = file;
    if (ends[1] < HOST_FD_CACHE) {
        atomic_store(&host->cache[ends[1]], file);
    }
    pthread_mutex_unlock(&host->lock);
    service_wake(host);
    return ends[1];
fail:
    raw_close(ends[0]);
    raw_close(ends[1]);
    return r;
}

static KvmFile *file_lookup(KvmHost *host, int fd)
{
    struct stat st;
    if (fd < 0 || raw_result(syscall(SYS_fstat, fd, &st)) < 0) {
        return NULL;
    }
    KvmFile *found = NULL;
    if (!run_in_handler()) {
        pthread_mutex_lock(&host->lock);
    } else if (pthread_mutex_trylock(&host->lock)) {
        return NULL; /* not kept: whoever asks next may wait */
    }
    if (S_ISFIFO(st.st_mode)) {
        for (KvmFile *f = host->files; f; f = f->next) {
            if (f->dev == st.st_dev && f->ino == st.st_ino && fd != f->read_end) {
                found = f;
                break;
            }
        }
    }
    if (fd < HOST_FD_CACHE) {
        atomic_store(&host->cache[fd], found ? found : FILE_FOREIGN);
    }
    pthread_mutex_unlock(&host->lock);
    return found;
}

KvmFile *file_get(KvmHost *host, int fd)
{
    KvmFile *file = NULL;
    if (fd >= 0 && fd < HOST_FD_CACHE) {
        file = atomic_load_explicit(&host->cache[fd], memory_order_acquire);
        if (file == FILE_FOREIGN) {
            return NULL;
        }
    }
    if (!file) {
        file = file_lookup(host, fd);
        if (!file) {
            return NULL;
        }
    }
    atomic_fetch_add(&file->users, 1);
    if (atomic_load(&file->closed)) {
        atomic_fetch_sub(&file->users, 1);
        return NULL;
    }
    return file;
}

void file_put(KvmFile *file)
{
    atomic_fetch_sub(&file->users, 1);
}

bool kvm_fd_ours(KvmHost *host, int fd)
{
    if (fd >= 0 && fd < HOST_FD_CACHE) {
        KvmFile *file = atomic_load_explicit(&host->cache[fd], memory_order_acquire);
        if (file) {
            return file != FILE_FOREIGN;
        }
    }
    return file_lookup(host, fd) != NULL;
}

bool kvm_fd_look_again(KvmHost *host, int fd)
{
    if (fd >= 0 && fd < HOST_FD_CACHE) {
        KvmFile *foreign = FILE_FOREIGN;
        atomic_compare_exchange_strong(&host->cache[fd], &foreign, NULL);
    }
    return kvm_fd_ours(host, fd);
}

bool kvm_fd_known(KvmHost *host, int fd)
{
    KvmFile *file = fd >= 0 && fd < HOST_FD_CACHE
                        ? atomic_load_explicit(&host->cache[fd], memory_order_acquire)
                        : NULL;
    return file && file != FILE_FOREIGN;
}

void kvm_fd_forget(KvmHost *host, int fd)
{
    if (fd >= 0 && fd < HOST_FD_CACHE) {
        atomic_store(&host->cache[fd], NULL);
    }
}

void kvm_fd_forget_range(KvmHost *host, unsigned first, unsigned last)
{
    for (unsigned fd = first; fd <= last && fd < HOST_FD_CACHE; fd++) {
        if (atomic_load_explicit(&host->cache[fd], memory_order_relaxed)) {
            atomic_store(&host->cache[fd], NULL);
        }
    }
}

/* Drops what a file held. No lock is held: tearing down a TD takes its time. */
static void file_release_object(KvmFileKind kind, Vm *vm, GuestMemfd *gmem)
{
    switch (kind) {
    case KVM_FILE_SYSTEM:
        return;
    case KVM_FILE_VM:
        irq_free(vm); /* the kernel drops irqfds when the VM's descriptor goes, not with the VM */
        break;
    case KVM_FILE_VCPU:
        break;
    case KVM_FILE_GUEST_MEMFD:
        gmem_release(gmem);
        break;
    }
    vm_put(vm);
}

/* Is the last descriptor gone, and nothing else holds the file? */
static bool file_is_closed(KvmFile *file)
{
    if (!atomic_load(&file->closed)) {
        struct pollfd p = { .fd = file->read_end };
        struct timespec zero = { 0, 0 };
        if (atomic_load(&file->mappings) || raw_ppoll(&p, 1, &zero) != 1 ||
            !(p.revents & POLLHUP)) {
            return false;
        }
        atomic_store(&file->closed, true);
    }
    return !atomic_load(&file->users);
}

/*
 * When it returns, files closed before the call have let go of all they held, whoever took them
 * apart.
 */
void file_reap(KvmHost *host)
{
    pthread_mutex_lock(&host->reap_lock);
    for (;;) {
        pthread_mutex_lock(&host->lock);
        KvmFile **link = &host->files;
        while (*link && !file_is_closed(*link)) {
            link = &(*link)->next;
        }
        KvmFile *file = *link;
        if (!file) {
            pthread_mutex_unlock(&host->lock);
            break;
        }
        *link = file->next;
        for (unsigned fd = 0; fd < HOST_FD_CACHE; fd++) {
            if (atomic_load_explicit(&host->cache[fd], memory_order_relaxed) == file) {
                atomic_store(&host->cache[fd], NULL);
            }
        }
        raw_close(file->read_end);
        KvmFileKind kind = file->other_mm ? KVM_FILE_SYSTEM : file->kind;
        Vm *vm = file->vm;
        GuestMemfd *gmem = file->gmem;
        file->next = host->free_files;
        host->free_files = file;
        pthread_mutex_unlock(&host->lock);
        file_release_object(kind, vm, gmem);
    }
    pthread_mutex_unlock(&host->reap_lock);
}

void kvm_host_reap(KvmHost *host)
{
    if (run_in_handler()) {
        service_wake(host);
    } else {
        file_reap(host);
    }
}

int kvm_host_open(KvmHost *host, int flags)
{
    if (host->profile->dev_kvm_error) {
        return -host->profile->dev_kvm_error;
    }
    uint64_t status = 0;
    int r = fault_due(host, "open", &status);
    if (r) {
        return r;
    }
    r = file_install(host, KVM_FILE_SYSTEM, NULL, NULL, NULL, flags & O_CLOEXEC);
    TRACE(host, "open", T_D("fd", r));
    return r;
}

static int file_ioctl(KvmHost *host, KvmFile *file, unsigned long request, uintptr_t arg)
{
    switch (file->kind) {
    case KVM_FILE_SYSTEM:
        return sys_ioctl(host, request, arg);
    case KVM_FILE_VM:
        return file->other_mm || atomic_load(&file->vm->dead)
                   ? -EIO
                   : vm_ioctl(host, file->vm, request, arg);
    case KVM_FILE_VCPU:
        return file->other_mm || atomic_load(&file->vm->dead)
                   ? -EIO
                   : vcpu_ioctl(file->vcpu, request, arg);
    case KVM_FILE_GUEST_MEMFD:
        break;
    }
    return -ENOTTY;
}

int kvm_fd_ioctl(KvmHost *host, int fd, unsigned long request, uintptr_t arg)
{
    KvmFile *file = file_get(host, fd);
    if (!file) {
        return -ENOTTY;
    }
    request = (uint32_t)request; /* the kernel's unsigned int cmd */
    int r;
    uint64_t status = 0;
    if (unlikely(host->num_faults) &&
        (r = fault_due(host, trace_ioctl_name(request), &status)) != 0) {
        file_put(file);
        return r;
    }
    r = file_ioctl(host, file, request, arg);
    if (unlikely(host->trace) && request != KVM_RUN) {
        trace_ioctl(host, fd, (uint32_t)request, arg, r);
    }
    file_put(file);
    return r;
}

/* Mappings of kvm_run, which hold their vCPU until their last page is gone. */
struct RunMapping {
    uintptr_t start;
    uint32_t pages; /* a bit for each that is still mapped */
    KvmFile *file;
    RunMapping *next;
};

static intptr_t map_vcpu(KvmHost *host, KvmFile *file, void *addr, size_t length, int prot,
                         int flags, off_t offset)
{
    RunMapping *m = calloc(1, sizeof(*m));
    if (!m) {
        return -ENOMEM;
    }
    intptr_t r = vcpu_mmap(file->vcpu, addr, length, prot, flags, offset);
    if (r < 0 && r > -4096) {
        free(m);
        return r;
    }
    m->start = (uintptr_t)r;
    m->pages = (1u << (length + 4095) / 4096) - 1; /* vcpu_mmap() takes three at most */
    m->file = file;
    atomic_fetch_add(&file->mappings, 1);
    pthread_mutex_lock(&host->lock);
    m->next = host->mappings;
    host->mappings = m;
    pthread_mutex_unlock(&host->lock);
    return r;
}

/* The pages of a mapping that lie in [start, end), as bits. */
static uint32_t pages_within(const RunMapping *m, uintptr_t start, uintptr_t end)
{
    uint32_t pages = 0;
    for (unsigned i = 0; i < ABI_VCPU_MMAP_SIZE / 4096; i++) {
        uintptr_t page = m->start + i * 4096;
        pages |= (uint32_t)(page >= start && page < end) << i;
    }
    return pages;
}

void kvm_unmapped(KvmHost *host, void *addr, size_t length)
{
    uintptr_t start = (uintptr_t)addr;
    bool any = false;
    if (!__atomic_load_n(&host->mappings, __ATOMIC_RELAXED)) {
        return;
    }
    pthread_mutex_lock(&host->lock);
    for (RunMapping **link = &host->mappings; *link;) {
        RunMapping *m = *link;
        m->pages &= ~pages_within(m, start, start + length);
        if (!m->pages) {
            *link = m->next;
            atomic_fetch_sub(&m->file->mappings, 1);
            free(m);
            any = true;
        } else {
            link = &m->next;
        }
    }
    pthread_mutex_unlock(&host->lock);
    if (any) {
        file_reap(host);
    }
}

intptr_t kvm_fd_mmap(KvmHost *host, int fd, void *addr, size_t length, int prot, int flags,
                     off_t offset)
{
    KvmFile *file = file_get(host, fd);
    if (!file) {
        return -EBADF;
    }
    uint64_t status = 0;
    intptr_t r = -ENODEV;
    if (file->kind == KVM_FILE_VCPU && !(r = fault_due(host, "mmap", &status))) {
        r = map_vcpu(host, file, addr, length, prot, flags, offset);
    } else if (file->kind == KVM_FILE_GUEST_MEMFD && !file->other_mm) {
        r = gmem_mmap(file->gmem, addr, length, prot, flags, offset);
    }
    file_put(file);
    return r;
}

int kvm_fd_fallocate(KvmHost *host, int fd, int mode, off_t offset, off_t length)
{
    KvmFile *file = file_get(host, fd);
    if (!file) {
        return -EBADF;
    }
    int r = file->kind == KVM_FILE_GUEST_MEMFD && !file->other_mm
                ? gmem_fallocate(file->gmem, mode, offset, length)
                : -ENODEV;
    TRACE(host, "fallocate", T_D("fd", fd), T_X("mode", mode), T_X("offset", offset),
          T_X("length", length), T_D("result", r));
    file_put(file);
    return r;
}

int64_t kvm_fd_guest_memfd_size(KvmHost *host, int fd)
{
    KvmFile *file = file_get(host, fd);
    if (!file) {
        return -1;
    }
    int64_t size = file->kind == KVM_FILE_GUEST_MEMFD ? (int64_t)file->gmem->size : -1;
    file_put(file);
    return size;
}

void file_forget_mappings(KvmHost *host)
{
    while (host->mappings) {
        RunMapping *m = host->mappings;
        host->mappings = m->next;
        atomic_store(&m->file->mappings, 0);
        free(m);
    }
}

void file_release_all(KvmHost *host)
{
    while (host->files) {
        KvmFile *file = host->files;
        host->files = file->next;
        raw_close(file->read_end);
        file_release_object(file->other_mm ? KVM_FILE_SYSTEM : file->kind, file->vm, file->gmem);
        free(file);
    }
    while (host->free_files) {
        KvmFile *file = host->free_files;
        host->free_files = file->next;
        free(file);
    }
}
