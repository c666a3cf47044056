/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host of a chosen kernel and its descriptors, for tests that drive swtdx/host/kvm as a library.
 */
#ifndef TEST_SWTDX_KVM_FIXTURE_H
#define TEST_SWTDX_KVM_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../swtdx/host/kvm/abi.h"
#include "../../../swtdx/host/kvm/kvm.h"

typedef struct CpuidBuffer {
    AbiCpuidHeader header;
    AbiCpuidEntry entries[256];
} CpuidBuffer;

typedef struct InitBuffer {
    AbiTdxInitVm init;
    AbiCpuidEntry entries[257];
} InitBuffer;

typedef struct CapsBuffer {
    AbiTdxCapabilities caps;
    AbiCpuidEntry entries[128];
} CapsBuffer;

typedef struct Fixture {
    Profile profile;
    KvmHost *host;
    int kvm, vm, vcpu, gmem;
    uint8_t *ram;
    CapsBuffer caps;
    uint64_t hw_error; /* of the last tdx() */
} Fixture;

/* How far a fixture goes: each includes what stands before it. */
enum { AT_HOST, AT_VM, AT_CAPS, AT_INIT, AT_VCPU, AT_CPUID, AT_INIT_VCPU, AT_MEMORY, AT_FINAL };

#define FIXTURE_RAM 0x10000u

Fixture *fixture_new(uint32_t kernel_minor, int stage, const char *fault);
/* Kernel 7.x: major 7. */
Fixture *fixture_new_kernel(uint32_t major, uint32_t minor, int stage, const char *fault);
/* From one stage to a later one. */
void fixture_go_on(Fixture *f, int from, int to);
void fixture_free(Fixture *f);
int sys(Fixture *f, unsigned long request, uintptr_t arg);
int vm(Fixture *f, unsigned long request, uintptr_t arg);
int vcpu(Fixture *f, unsigned long request, uintptr_t arg);
/* KVM_MEMORY_ENCRYPT_OP on a descriptor. */
int tdx(Fixture *f, int fd, uint32_t id, uint32_t flags, uint64_t data);
void fixture_init_params(InitBuffer *init);
int enable(Fixture *f, uint32_t cap, uint64_t arg);
int set_private(Fixture *f, uint64_t gpa, uint64_t size, bool private);
int new_gmem(Fixture *f, uint64_t size, uint64_t flags);

#endif
