/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system calls KVM is driven with, and nothing else: everything above reaches the kernel
 * through these, so that a test can put an invented kernel in their place. Failures are -errno.
 */
#ifndef ACCEL_KVM_KVM_SYS_H
#define ACCEL_KVM_KVM_SYS_H

#include <stddef.h>
#include <stdint.h>

int kvm_sys_open(const char *path);                                /* read-write, close-on-exec */
/* arch_prctl(): guests of this process may have a state component that must be asked for */
int kvm_sys_request_guest_state(unsigned component);
void kvm_sys_close(int fd);
/* the ioctl's answer, or -errno */
int kvm_sys_ioctl(int fd, unsigned long request, uintptr_t arg);
/* shared, read-write, from offset 0 */
int kvm_sys_map(int fd, size_t size, void **address);
void kvm_sys_unmap(void *address, size_t size);
int kvm_sys_set_cloexec(int fd);
/* frees a file's pages, keeping its size */
int kvm_sys_punch(int fd, uint64_t offset, uint64_t size);
/* frees a mapping's pages, whatever kind it is */
int kvm_sys_discard(void *address, size_t size);

#endif
