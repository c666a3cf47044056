/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bare guest: memory, world callbacks, start state.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "guest.h"

static void world_map(Cpu *cpu, uint64_t gpa, uint64_t linear, bool linear_valid, CpuAccess access,
                      CpuHostPage *page)
{
    Guest *g = cpu->world_data;
    gpa &= ~UINT64_C(0xfff);
    if (gpa < g->low_size) {
        page->host = g->low + gpa;
    } else if (gpa >= GUEST_DATA && gpa < GUEST_DATA + GUEST_DATA_SIZE) {
        page->host = g->data + (gpa - GUEST_DATA);
    } else {
        cpu_leave(cpu, CPU_EXIT_WORLD, false);
    }
    page->writable = true;
}

static void world_hlt(Cpu *cpu)
{
    Guest *g = cpu->world_data;
    g->halted = true;
    cpu_leave(cpu, CPU_EXIT_WORLD, true);
}

static bool world_has_feature(Cpu *cpu, unsigned feature)
{
    Guest *g = cpu->world_data;
    return g->features;
}

static const CpuWorld world = { .map = world_map, .hlt = world_hlt,
                                .has_feature = world_has_feature };

static void *zeroed(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        abort();
    }
    return p;
}

static void set_segments(Cpu *cpu, uint32_t cs_access)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu->seg[i] = (Segment){ .selector = 0x10, .access = 0xc093, .limit = UINT32_MAX };
    }
    cpu->seg[SEG_CS] = (Segment){ .selector = 8, .access = cs_access, .limit = UINT32_MAX };
}

static void set_start_state(Cpu *cpu)
{
    cpu->cr0 = 0x80050033;
    cpu->cr4 = 0x6e0;
    cpu->cr3 = 0x1000;
    cpu->efer = 0xd01;
    cpu->xcr0 = 7;
    set_segments(cpu, 0xa09b);
    cpu_update_mode(cpu);
}

static void init(Guest *g, size_t low_size, unsigned heat)
{
    memset(g, 0, sizeof(*g));
    g->low_size = low_size;
    g->low = zeroed(low_size);
    g->data = zeroed(GUEST_DATA_SIZE);
    g->features = true;
    g->group = cpu_group_new(GUEST_CPUS, heat);
    g->cpu = cpu_new(g->group, &world, g);
    uint64_t *tables = (uint64_t *)(void *)g->low;
    tables[0x1000 / 8] = 0x2000 | 7;
    tables[0x2000 / 8] = 0x3000 | 7;
    for (uint64_t i = 0; i < 512; i++) {
        tables[0x3000 / 8 + i] = i << 21 | 0xe7;
    }
    set_start_state(g->cpu);
}

void guest_init_size(Guest *g, size_t low_size)
{
    const char *heat = getenv("SWTDX_TEST_JIT");
    init(g, low_size, heat != NULL ? (unsigned)atoi(heat) : CPU_JIT_HEAT);
}

void guest_init_heat(Guest *g, unsigned heat)
{
    init(g, GUEST_LOW_SIZE, heat);
}

void guest_join(Guest *g, const Guest *first)
{
    memset(g, 0, sizeof(*g));
    g->low_size = first->low_size;
    g->low = first->low;
    g->data = first->data;
    g->group = first->group;
    g->features = true;
    g->joined = true;
    g->cpu = cpu_new(g->group, &world, g);
    set_start_state(g->cpu);
}

void guest_init(Guest *g)
{
    guest_init_size(g, GUEST_LOW_SIZE);
}

void guest_legacy32(Guest *g)
{
    g->cpu->cr0 = 0x33;
    g->cpu->efer = 0;
    set_segments(g->cpu, 0xc09b);
    cpu_update_mode(g->cpu);
}

void guest_fini(Guest *g)
{
    cpu_free(g->cpu);
    if (g->joined) {
        return;
    }
    cpu_group_free(g->group);
    munmap(g->low, g->low_size);
    munmap(g->data, GUEST_DATA_SIZE);
}

bool guest_run(Guest *g, uint64_t rip)
{
    g->halted = false;
    g->cpu->rip = rip;
    return cpu_run(g->cpu) == CPU_EXIT_WORLD && g->halted;
}
