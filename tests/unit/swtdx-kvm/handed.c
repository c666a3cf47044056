/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Under `swtdx run`: descriptors of the software host as programs hand them round, by fork, dup and
 * sockets, and what becomes of them at exec.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../swtdx/host/kvm/abi.h"

#define CHECK(what)                                                                         \
    do {                                                                                    \
        if (!(what)) {                                                                      \
            fprintf(stderr, "line %d: %s failed, errno %d\n", __LINE__, #what, errno);      \
            exit(1);                                                                        \
        }                                                                                   \
    } while (0)

static bool is_td(int vm)
{
    return ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) == 0;
}

static bool refused(int fd, unsigned long request, int error)
{
    errno = 0;
    return ioctl(fd, request, 0) == -1 && errno == error;
}

static int new_memory(int vm)
{
    AbiCreateGuestMemfd create = { .size = 0x10000 };
    int fd = ioctl(vm, ABI_CREATE_GUEST_MEMFD, &create);
    CHECK(fd >= 0);
    return fd;
}

static void exchange(int from, int to, struct msghdr *message, int *fd)
{
    CHECK(sendmsg(from, message, 0) == 1);
    CHECK(!close(*fd));
    /* the number is another file's meanwhile, which goes without a close() of the program's */
    FILE *file = fopen("/proc/self/stat", "r");
    struct stat st;
    CHECK(file && fileno(file) == *fd && !fstat(*fd, &st) && refused(*fd, TIOCSCTTY, ENOTTY));
    fclose(file);
    CHECK(recvmsg(to, message, MSG_CMSG_CLOEXEC) == 1);
    memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(message)), sizeof(int));
}

static void test_socket(int kvm)
{
    int ends[2], vm = ioctl(kvm, KVM_CREATE_VM, ABI_VM_TDX), before = vm;
    char byte = 'x';
    union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
    struct iovec data = { &byte, 1 };
    struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                              .msg_controllen = sizeof(control) };
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                                       .cmsg_len = CMSG_LEN(sizeof(int)) };
    memcpy(CMSG_DATA(&control.header), &vm, sizeof(int));
    exchange(ends[0], ends[1], &message, &vm);
    CHECK(vm == before && is_td(vm));
    close(ends[0]);
    close(ends[1]);
    close(vm);
}

static void test_flags(int kvm)
{
    struct stat st;
    int vm = ioctl(kvm, KVM_CREATE_VM, ABI_VM_TDX), memory = new_memory(vm);
    CHECK(fcntl(vm, F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(memory, F_GETFD) == 0);
    CHECK(!fstat(memory, &st) && S_ISREG(st.st_mode) && st.st_size == 0x10000);
    CHECK(ftruncate(memory, 0x20000) == -1 && errno == EINVAL);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, memory, 0) == MAP_FAILED && errno == ENODEV);
    CHECK(read(vm, &st, 1) == -1 && errno == EINVAL);
    int copy = dup(vm), again = fcntl(copy, F_DUPFD, 200);
    CHECK(!close(vm) && is_td(copy) && again >= 200 && is_td(again));
    CHECK(dup2(memory, copy) == copy && refused(copy, KVM_CHECK_EXTENSION, ENOTTY));
    CHECK(!fallocate(copy, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4096) && is_td(again));
    close(memory);
    close(copy);
    close(again);
}

/* A VM belongs to the process that made it; /dev/kvm does not. */
static void test_fork(int kvm)
{
    int vm = ioctl(kvm, KVM_CREATE_VM, ABI_VM_TDX), memory = new_memory(vm), status;
    pid_t child = fork();
    if (!child) {
        CHECK(refused(vm, KVM_CHECK_EXTENSION, EIO));
        CHECK(refused(dup(vm), KVM_GET_TSC_KHZ, EIO));
        CHECK(fallocate(memory, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4096) == -1);
        int own = ioctl(kvm, KVM_CREATE_VM, ABI_VM_TDX);
        CHECK(own >= 0 && is_td(own));
        CHECK(!close(memory) && !close(vm) && is_td(own));
        exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    CHECK(is_td(vm));
    AbiMemoryRegion2 region = { .flags = ABI_MEM_GUEST_MEMFD, .memory_size = 0x10000,
                                .userspace_addr = 0x10000000, .guest_memfd = (uint32_t)memory };
    CHECK(!ioctl(vm, ABI_SET_USER_MEMORY_REGION2, &region));
    close(memory);
    close(vm);
}

int main(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    CHECK(kvm >= 0);
    test_flags(kvm);
    test_socket(kvm);
    test_fork(kvm);
    CHECK(ioctl(kvm, KVM_GET_API_VERSION, 0) == 12);
    printf("ok\n");
    return 0;
}
