/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The caller's memory: a bad pointer is -EFAULT, as with a kernel, not a signal. */
#include <string.h>
#include <sys/uio.h>

#include "host.h"
#include "raw.h"

/* Below mmap_min_addr of the usual kernels nothing can be mapped. */
#define LOWEST_ADDRESS 4096u

/*
 * process_vm_readv() on ourselves tells a bad pointer. A sandbox may refuse it (a filter answers
 * EPERM or ENOSYS); then the pointer is believed.
 */
static int user_copy(bool write, uint64_t user, void *own, size_t n)
{
    if (!n) {
        return 0;
    }
    if (user < LOWEST_ADDRESS || user + n < user || user + n > (UINT64_C(1) << 47)) {
        return -EFAULT;
    }
    struct iovec mine = { own, n };
    struct iovec theirs = { (void *)(uintptr_t)user, n };
    /*
     * L: syscall() is variadic, and an int passed on the stack would leave half a word undefined.
     */
    long r = raw_result(syscall(write ? SYS_process_vm_writev : SYS_process_vm_readv, getpid(),
                                &mine, 1L, &theirs, 1L, 0L));
    if (r == (long)n) {
        return 0;
    }
    if (r == -EPERM || r == -ENOSYS) {
        if (write) {
            memcpy((void *)(uintptr_t)user, own, n);
        } else {
            memcpy(own, (void *)(uintptr_t)user, n);
        }
        return 0;
    }
    return -EFAULT;
}

int user_read(void *to, uint64_t from, size_t n)
{
    return user_copy(false, from, to, n);
}

int user_write(uint64_t to, const void *from, size_t n)
{
    return user_copy(true, to, (void *)from, n);
}

/* Without a copy: where a sandbox hides the answer, it is yes. */
bool user_readable(uint64_t address)
{
    uint8_t byte;
    struct iovec mine = { &byte, 1 };
    struct iovec theirs = { (void *)(uintptr_t)address, 1 };
    return raw_result(syscall(SYS_process_vm_readv, getpid(), &mine, 1L, &theirs, 1L, 0L)) !=
           -EFAULT;
}
