/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages of memory with a private half the guest has shared: KVM cannot be asked. For
 * statistics, and for devices. One bit for each page, and room for the bits of a step only once a
 * page of it was shared.
 */
#include "kvm-internal.h"
#include "util/bytes.h"

#define PAGE_SIZE UINT64_C(4096)
#define WORD_BITS 64
#define STEP_PAGES (KVM_PRIVATE_STEP / PAGE_SIZE)

/* The bits of [first, last) in word `word`. */
static uint64_t mask_of(uint64_t word, uint64_t first, uint64_t last)
{
    uint64_t from = MAX(first, word * WORD_BITS) % WORD_BITS,
             size = MIN(last, (word + 1) * WORD_BITS) - word * WORD_BITS - from;

    return (size == WORD_BITS ? UINT64_MAX : (UINT64_C(1) << size) - 1) << from;
}

static uint64_t change(uint64_t *bits, uint64_t first, uint64_t last, bool to_shared)
{
    uint64_t changed = 0;

    for (uint64_t word = first / WORD_BITS; word <= (last - 1) / WORD_BITS; word++) {
        uint64_t mask = mask_of(word, first, last), before = bits[word];

        bits[word] = to_shared ? before | mask : before & ~mask;
        changed += (uint64_t)__builtin_popcountll(before ^ bits[word]);
    }
    return changed;
}

void kvm_slot_note_state(KvmSlot *slot, hwaddr start, hwaddr end, bool to_private,
                         KvmMemoryStats *stats)
{
    uint64_t base = slot->gpa / KVM_PRIVATE_STEP * KVM_PRIVATE_STEP, changed = 0;
    uint64_t first = (start - base) / PAGE_SIZE, last = (end - base) / PAGE_SIZE;

    for (uint64_t step = first / STEP_PAGES; step <= (last - 1) / STEP_PAGES; step++) {
        uint64_t from = MAX(first, step * STEP_PAGES), to = MIN(last, (step + 1) * STEP_PAGES);

        if (!slot->shared[step]) {
            if (to_private) {
                continue;
            }
            slot->shared[step] = g_new0(uint64_t, STEP_PAGES / WORD_BITS);
        }
        changed += change(slot->shared[step], from - step * STEP_PAGES, to - step * STEP_PAGES,
                          !to_private);
    }
    if (changed && to_private) {
        stats->shared_bytes -= changed * PAGE_SIZE;
        stats->private_bytes += changed * PAGE_SIZE;
        stats->to_private++;
        stats->to_private_bytes += changed * PAGE_SIZE;
    } else if (changed) {
        stats->private_bytes -= changed * PAGE_SIZE;
        stats->shared_bytes += changed * PAGE_SIZE;
        stats->to_shared++;
        stats->to_shared_bytes += changed * PAGE_SIZE;
    }
}

static bool all_shared(const KvmSlot *slot, hwaddr gpa, uint64_t size)
{
    uint64_t base = slot->gpa / KVM_PRIVATE_STEP * KVM_PRIVATE_STEP;
    uint64_t page = (gpa - base) / PAGE_SIZE, last = (gpa + size - 1 - base) / PAGE_SIZE + 1;

    while (page < last) {
        const uint64_t *bits = slot->shared[page / STEP_PAGES];
        uint64_t in_step = page % STEP_PAGES, word = in_step / WORD_BITS;
        uint64_t mask = mask_of(word, in_step, in_step + last - page);

        if (!bits || (bits[word] & mask) != mask) {
            return false;
        }
        page += WORD_BITS - in_step % WORD_BITS;
    }
    return true;
}

static uint8_t *map_shared(void *opaque, hwaddr gpa, uint64_t size)
{
    KvmVm *vm = opaque;
    uint8_t *host = NULL;

    g_mutex_lock(&vm->slots_lock);
    for (unsigned i = 0; i < vm->slots->len && !host; i++) {
        const KvmSlot *slot = g_ptr_array_index(vm->slots, i);

        if (gpa >= slot->gpa && range_inside(gpa - slot->gpa, size, slot->size) &&
            (slot->memfd < 0 || all_shared(slot, gpa, size))) {
            host = slot->host + (gpa - slot->gpa);
        }
    }
    g_mutex_unlock(&vm->slots_lock);
    return host;
}

SharedMemoryPort kvm_vm_shared_memory(KvmVm *vm)
{
    return (SharedMemoryPort) { map_shared, vm };
}

void kvm_slot_free_state(KvmSlot *slot)
{
    for (unsigned i = 0; slot->shared && i < slot->num_steps; i++) {
        g_free(slot->shared[i]);
    }
    g_free(slot->shared);
}

void kvm_vm_memory_stats(KvmVm *vm, KvmMemoryStats *stats)
{
    g_mutex_lock(&vm->slots_lock);
    *stats = vm->memory_stats;
    g_mutex_unlock(&vm->slots_lock);
}
