/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host keeps of a TD does not grow with the TD's memory: a launch with 1 TiB costs less
 * than 1 MiB.
 */
#include <malloc.h>
#include <stdio.h>

#include "fixture.h"

#define TIB (UINT64_C(1) << 40)
#define HIGH_MEMORY (UINT64_C(1) << 32)
#define FIRMWARE_PAGES 1024u /* 4 MiB, as the largest firmware there is */
#define LIMIT (1u << 20)

/* Bytes of this process that lie in memory, counted page by page: the sums in statm lag behind. */
static uint64_t resident(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    g_assert_nonnull(f);
    while (fgets(line, sizeof(line), f) && sscanf(line, "Rss: %lu kB", &kib) != 1) {
    }
    fclose(f);
    g_assert_cmpuint(kib, >, 0);
    return (uint64_t)kib << 10;
}

static void add_slot(Fixture *f, uint32_t slot, uint64_t gpa, uint64_t size, int gmem)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    g_assert_true(memory != MAP_FAILED);
    AbiMemoryRegion2 region = { .slot = slot, .flags = ABI_MEM_GUEST_MEMFD, .guest_phys_addr = gpa,
                                .memory_size = size,
                                .userspace_addr = (uintptr_t)memory,
                                .guest_memfd = (uint32_t)gmem };
    g_assert_cmpint(vm(f, ABI_SET_USER_MEMORY_REGION2, (uintptr_t)&region), ==, 0);
    g_assert_cmpint(set_private(f, gpa, size, true), ==, 0);
}

/*
 * What a TD with so much memory above 4 GiB costs from KVM_CREATE_VM to FINALIZE, less its vCPU and
 * its firmware's pages.
 */
static uint64_t cost(uint64_t size)
{
    static const uint8_t page[4096] __attribute__((aligned(4096))) = { 0x55 };
    Fixture *f = fixture_new(16, AT_HOST, NULL), *small = fixture_new(16, AT_INIT_VCPU, NULL);
    fixture_free(small); /* code and heap that a first TD touches */
    uint64_t start = resident();
    fixture_go_on(f, AT_HOST, AT_INIT);
    uint64_t initialised = resident();
    fixture_go_on(f, AT_INIT, AT_INIT_VCPU);
    uint64_t with_vcpu = resident();
    int gmem = new_gmem(f, size, 0), low = new_gmem(f, FIRMWARE_PAGES * 4096, 0);
    add_slot(f, 0, HIGH_MEMORY, size, gmem);
    add_slot(f, 1, HIGH_MEMORY - FIRMWARE_PAGES * 4096, FIRMWARE_PAGES * 4096, low);
    for (unsigned i = 0; i < FIRMWARE_PAGES; i++) {
        AbiTdxInitMemRegion region = { (uintptr_t)page,
                                       HIGH_MEMORY - FIRMWARE_PAGES * 4096 + i * 4096u, 1 };
        g_assert_cmpint(tdx(f, f->vcpu, ABI_TDX_INIT_MEM_REGION, 0, (uintptr_t)&region), ==, 0);
    }
    g_assert_cmpint(tdx(f, f->vm, ABI_TDX_FINALIZE_VM, 0, 0), ==, 0);
    uint64_t end = resident(),
             whole = end - start - (with_vcpu - initialised) - FIRMWARE_PAGES * 4096;
    g_test_message("%" G_GUINT64_FORMAT " GiB: %" G_GUINT64_FORMAT " KiB, and %" G_GUINT64_FORMAT
                   " KiB for the vCPU",
                   size >> 30, whole >> 10, (with_vcpu - initialised) >> 10);
    kvm_fd_forget(f->host, low);
    close(low);
    f->gmem = gmem;
    fixture_free(f);
    return whole;
}

static void test_size(void)
{
    uint64_t little = 0;
    for (unsigned i = 0; i < 2; i++) { /* the heap grows during the first rounds */
        little = cost(UINT64_C(16) << 20);
        g_assert_cmpuint(little, <, LIMIT);
    }
    uint64_t much = cost(TIB);
    g_assert_cmpuint(much, <, LIMIT);
    g_assert_cmpuint(much, <, little + LIMIT / 4);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* Large pieces come and go alone; else what one round freed is there for the next. */
    mallopt(M_MMAP_THRESHOLD, 64 << 10);
    g_test_add_func("/size/1-tib", test_size);
    return g_test_run();
}
