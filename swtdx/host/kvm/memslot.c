/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory slots: checks of KVM_SET_USER_MEMORY_REGION(2) in the kernel's order (kvm-tdx ABI 2.5),
 * and their lookup.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "host.h"
#include "raw.h"

#define PAGE_MASK UINT64_C(0xfff)
/* User addresses end a page below bit 47. */
#define TASK_SIZE_MAX UINT64_C(0x7ffffffff000)

const MemSlot *memslot_find(const Vm *vm, uint64_t gpa)
{
    uint32_t low = 0, high = vm->slots_size.count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        const MemSlot *s = &vm->slots[mid];
        if (gpa < s->gpa) {
            high = mid;
        } else if (gpa - s->gpa >= s->size) {
            low = mid + 1;
        } else {
            return s;
        }
    }
    return NULL;
}

static size_t seen_size(const MemSlot *slot)
{
    return (slot->size / 4096 + 63) / 64 * 8;
}

/*
 * A slot with addresses where nothing is mapped now, which msync() tells: its pages are looked at
 * one by one, before a guest has them. That of others is not paid for by system calls of vCPUs.
 */
static void look_for_holes(MemSlot *slot)
{
    slot->seen = NULL;
    slot->holes = raw_result(syscall(SYS_msync, slot->hva, slot->size, MS_ASYNC)) == -ENOMEM;
    if (slot->holes) {
        long at = syscall(SYS_mmap, NULL, seen_size(slot), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, (off_t)0);
        slot->seen = at == -1 ? NULL : (_Atomic uint64_t *)at;
    }
}

static void free_seen(MemSlot *slot)
{
    if (slot->seen) {
        syscall(SYS_munmap, slot->seen, seen_size(slot));
    }
}

/* What a VMM unmaps later, under a guest, is its own loss. */
bool memslot_has_memory(const MemSlot *slot, uint64_t gpa)
{
    uint64_t page = (gpa - slot->gpa) / 4096, bit = UINT64_C(1) << page % 64;
    if (!slot->holes || (slot->gmem && slot->gmem->shared)) {
        return true;
    }
    _Atomic uint64_t *seen = slot->seen;
    if (seen && atomic_load_explicit(&seen[page / 64], memory_order_relaxed) & bit) {
        return true;
    }
    bool there = user_readable(slot->hva + page * 4096);
    if (there && seen) {
        atomic_fetch_or_explicit(&seen[page / 64], bit, memory_order_relaxed);
    }
    return there;
}

uint8_t *memslot_shared_page(void *opaque, uint64_t gpa, bool *writable)
{
    Vm *vm = opaque;
    uint8_t *page = NULL;
    pthread_rwlock_rdlock(&vm->memory);
    const MemSlot *s = memslot_find(vm, gpa);
    if (s && (attributes_private(vm, gpa) || !memslot_has_memory(s, gpa))) {
        page = TD_SHARED_EXIT;
    } else if (s) {
        uint64_t offset = (gpa & ~PAGE_MASK) - s->gpa;
        page = s->gmem && s->gmem->shared ? s->gmem->shared + s->gmem_offset + offset
                                          : (uint8_t *)(uintptr_t)(s->hva + offset);
        *writable = true; /* READONLY slots do not exist on a TD */
    }
    pthread_rwlock_unlock(&vm->memory);
    return page;
}

void memslot_flush_shared(Vm *vm, uint64_t gpa, uint64_t size)
{
    if (atomic_load(&vm->num_vcpus) && vm->gpaw) {
        Cpu *cpu = vm->vcpus[0]->cpu;
        cpu_group_flush(cpu->group, NULL, gpa | (UINT64_C(1) << (vm->gpaw - 1)), size);
    }
}

static MemSlot *slot_by_id(Vm *vm, uint32_t id)
{
    for (uint32_t i = 0; i < vm->slots_size.count; i++) {
        if (vm->slots[i].id == id) {
            return &vm->slots[i];
        }
    }
    return NULL;
}

/* Everything that is refused by looking at the request alone. */
static int check_request(const Vm *vm, const AbiMemoryRegion2 *r, bool v2)
{
    bool td = vm->type == ABI_VM_TDX;
    uint32_t valid = KVM_MEM_LOG_DIRTY_PAGES;
    if (!v2 && (r->flags & ~(uint32_t)(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))) {
        return -EINVAL;
    }
    if (td) {
        valid |= ABI_MEM_GUEST_MEMFD;
        if (r->flags & ABI_MEM_GUEST_MEMFD) {
            valid &= ~(uint32_t)KVM_MEM_LOG_DIRTY_PAGES;
        }
    } else {
        valid |= KVM_MEM_READONLY;
    }
    if (r->flags & ~valid) {
        return -EINVAL;
    }
    uint32_t as = r->slot >> 16, id = r->slot & 0xffff;
    if ((r->memory_size & PAGE_MASK) || (r->guest_phys_addr & PAGE_MASK) ||
        (r->userspace_addr & PAGE_MASK)) {
        return -EINVAL;
    }
    if (r->userspace_addr > TASK_SIZE_MAX || r->memory_size > TASK_SIZE_MAX - r->userspace_addr) {
        return -EINVAL;
    }
    if ((r->flags & ABI_MEM_GUEST_MEMFD) &&
        ((r->guest_memfd_offset & PAGE_MASK) ||
         r->guest_memfd_offset + r->memory_size < r->guest_memfd_offset)) {
        return -EINVAL;
    }
    if (as != 0 || id >= ABI_USER_MEM_SLOTS ||
        r->guest_phys_addr + r->memory_size < r->guest_phys_addr) {
        return -EINVAL;
    }
    return r->memory_size / 4096 > ABI_MEM_MAX_NR_PAGES ? -EINVAL : 0;
}

static bool overlaps(uint64_t a, uint64_t an, uint64_t b, uint64_t bn)
{
    return a < b + bn && b < a + an;
}

/* Refusals of kvm_gmem_bind(). */
static int check_binding(Vm *vm, const AbiMemoryRegion2 *r, GuestMemfd **gmem)
{
    if (raw_fcntl((int)r->guest_memfd, F_GETFD, 0) < 0) {
        return -EBADF;
    }
    KvmFile *file = file_get(vm->host, (int)r->guest_memfd);
    if (!file) {
        return -EINVAL;
    }
    GuestMemfd *g = file->kind == KVM_FILE_GUEST_MEMFD ? file->gmem : NULL;
    file_put(file);
    if (!g || g->vm != vm || r->guest_memfd_offset + r->memory_size > g->size) {
        return -EINVAL;
    }
    for (uint32_t i = 0; i < vm->slots_size.count; i++) {
        const MemSlot *s = &vm->slots[i];
        if (s->gmem == g &&
            overlaps(s->gmem_offset, s->size, r->guest_memfd_offset, r->memory_size)) {
            return host_kernel_at_least(vm->host, 7, 3) ? -EEXIST : -EINVAL;
        }
    }
    *gmem = g;
    return 0;
}

static void slot_delete(Vm *vm, MemSlot *slot)
{
    MemSlot gone = *slot;
    pthread_rwlock_wrlock(&vm->memory);
    uint32_t i = (uint32_t)(slot - vm->slots);
    memmove(slot, slot + 1, (vm->slots_size.count - i - 1) * sizeof(*slot));
    vm->slots_size.count--;
    pthread_rwlock_unlock(&vm->memory);
    memslot_flush_shared(vm, gone.gpa, gone.size);
    free_seen(&gone);
    if (gone.gmem && vm->td) {
        record_memory_goes(vm);
        td_range_remove(vm->td, gone.gpa, gone.size);
    }
}

static int slot_insert(Vm *vm, const MemSlot *slot)
{
    Sizes *n = &vm->slots_size;
    pthread_rwlock_wrlock(&vm->memory);
    if (n->count == n->capacity) {
        uint32_t capacity = n->capacity ? n->capacity * 2 : 16;
        MemSlot *grown = realloc(vm->slots, capacity * sizeof(*grown));
        if (!grown) {
            pthread_rwlock_unlock(&vm->memory);
            return -ENOMEM;
        }
        vm->slots = grown;
        n->capacity = capacity;
    }
    uint32_t i = n->count;
    while (i && vm->slots[i - 1].gpa > slot->gpa) {
        i--;
    }
    memmove(&vm->slots[i + 1], &vm->slots[i], (n->count - i) * sizeof(*slot));
    vm->slots[i] = *slot;
    look_for_holes(&vm->slots[i]);
    n->count++;
    pthread_rwlock_unlock(&vm->memory);
    /* What was a hole, thus MMIO to the guest, may stand in translation caches as such. */
    memslot_flush_shared(vm, slot->gpa, slot->size);
    return 0;
}

/* Within the host's physical addresses and, once GPAW is known, without the shared bit. */
static bool place_valid(const Vm *vm, uint64_t gpa, uint64_t size)
{
    uint64_t last = gpa + size - 1;
    return !(last >> vm->host->profile->phys_bits) &&
           !(vm->gpaw && (last & (UINT64_C(1) << (vm->gpaw - 1))));
}

/* The slot exists already: only its place and its dirty flag may change. */
static int slot_change(Vm *vm, MemSlot *old, const AbiMemoryRegion2 *r)
{
    if ((r->flags | old->flags) & ABI_MEM_GUEST_MEMFD) {
        return -EINVAL;
    }
    if (r->userspace_addr != old->hva || r->memory_size != old->size ||
        ((r->flags ^ old->flags) & KVM_MEM_READONLY)) {
        return -EINVAL;
    }
    if (r->guest_phys_addr == old->gpa) {
        old->flags = r->flags;
        return 0;
    }
    for (uint32_t i = 0; i < vm->slots_size.count; i++) {
        const MemSlot *s = &vm->slots[i];
        if (s != old && overlaps(s->gpa, s->size, r->guest_phys_addr, r->memory_size)) {
            return -EEXIST;
        }
    }
    if (!place_valid(vm, r->guest_phys_addr, r->memory_size)) {
        return -EINVAL;
    }
    MemSlot moved = *old;
    moved.gpa = r->guest_phys_addr;
    moved.flags = r->flags;
    slot_delete(vm, old);
    return slot_insert(vm, &moved);
}

int memslot_set(Vm *vm, const AbiMemoryRegion2 *r, bool v2)
{
    int err = check_request(vm, r, v2);
    if (err) {
        return err;
    }
    MemSlot *old = slot_by_id(vm, r->slot);
    if (!r->memory_size) {
        if (!old) {
            return -EINVAL;
        }
        slot_delete(vm, old);
        return 0;
    }
    if (old) {
        return slot_change(vm, old, r);
    }
    for (uint32_t i = 0; i < vm->slots_size.count; i++) {
        if (overlaps(vm->slots[i].gpa, vm->slots[i].size, r->guest_phys_addr, r->memory_size)) {
            return -EEXIST;
        }
    }
    MemSlot slot = { .id = r->slot, .flags = r->flags, .gpa = r->guest_phys_addr,
                     .size = r->memory_size, .hva = r->userspace_addr };
    if (r->flags & ABI_MEM_GUEST_MEMFD) {
        err = check_binding(vm, r, &slot.gmem);
        if (err) {
            return err;
        }
        slot.gmem_offset = r->guest_memfd_offset;
    }
    return place_valid(vm, slot.gpa, slot.size) ? slot_insert(vm, &slot) : -EINVAL;
}

void memslot_free(Vm *vm)
{
    for (uint32_t i = 0; i < vm->slots_size.count; i++) {
        free_seen(&vm->slots[i]);
    }
    free(vm->slots);
    vm->slots = NULL;
    vm->slots_size = (Sizes){ 0 };
    while (vm->released) {
        GuestMemfd *g = vm->released;
        vm->released = g->next;
        gmem_free(g);
    }
}
