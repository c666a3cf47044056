/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM_SET_MEMORY_ATTRIBUTES (kvm-tdx ABI 2.6), kept as ranges: a terabyte costs what a page costs.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "raw.h"

/* First range that ends behind gpa. */
static uint32_t first_behind(const Vm *vm, uint64_t gpa)
{
    uint32_t low = 0, high = vm->privates_size.count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (vm->privates[mid].end <= gpa) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

bool attributes_private(const Vm *vm, uint64_t gpa)
{
    uint32_t i = first_behind(vm, gpa);
    return i < vm->privates_size.count && vm->privates[i].start <= gpa;
}

/* Room for one range more. */
static int reserve(Vm *vm)
{
    Sizes *n = &vm->privates_size;
    if (n->count + 1 < n->capacity) {
        return 0;
    }
    uint32_t capacity = n->capacity ? n->capacity * 2 : 16;
    PrivateRange *grown = realloc(vm->privates, capacity * sizeof(*grown));
    if (!grown) {
        return -ENOMEM;
    }
    vm->privates = grown;
    n->capacity = capacity;
    return 0;
}

/* Replaces ranges [first, last) by n new ones (n <= last - first + 1, room is reserved). */
static void replace(Vm *vm, uint32_t first, uint32_t last, const PrivateRange *ranges, uint32_t n)
{
    uint32_t count = vm->privates_size.count;
    memmove(&vm->privates[first + n], &vm->privates[last], (count - last) * sizeof(*ranges));
    memcpy(&vm->privates[first], ranges, n * sizeof(*ranges));
    vm->privates_size.count = count - (last - first) + n;
}

static void make_private(Vm *vm, uint64_t start, uint64_t end)
{
    uint32_t first = start ? first_behind(vm, start - 1) : 0, last = first;
    PrivateRange merged = { start, end };
    while (last < vm->privates_size.count && vm->privates[last].start <= end) {
        const PrivateRange *p = &vm->privates[last++];
        merged.start = p->start < merged.start ? p->start : merged.start;
        merged.end = p->end > merged.end ? p->end : merged.end;
    }
    replace(vm, first, last, &merged, 1);
}

static void make_shared(Vm *vm, uint64_t start, uint64_t end)
{
    uint32_t first = first_behind(vm, start), last = first, n = 0;
    PrivateRange rest[2];
    while (last < vm->privates_size.count && vm->privates[last].start < end) {
        const PrivateRange *p = &vm->privates[last++];
        if (p->start < start) {
            rest[n++] = (PrivateRange){ p->start, start };
        }
        if (p->end > end) {
            rest[n++] = (PrivateRange){ end, p->end };
        }
    }
    replace(vm, first, last, rest, n);
}

/*
 * Does the whole range have the attribute already? Then the call changes nothing, private contents
 * included.
 */
static bool already(const Vm *vm, uint64_t start, uint64_t end, bool private)
{
    uint32_t i = first_behind(vm, start);
    if (private) {
        return i < vm->privates_size.count && vm->privates[i].start <= start &&
               vm->privates[i].end >= end;
    }
    return i == vm->privates_size.count || vm->privates[i].start >= end;
}

int attributes_set(Vm *vm, const AbiMemoryAttributes *attr)
{
    uint64_t start = attr->address, end = attr->address + attr->size;
    if (attr->flags || (attr->attributes & ~(uint64_t)ABI_ATTRIBUTE_PRIVATE) || !attr->size ||
        end < start || ((attr->address | attr->size) & 0xfff)) {
        return -EINVAL;
    }
    bool private = attr->attributes & ABI_ATTRIBUTE_PRIVATE;
    if (already(vm, start, end, private)) {
        return 0;
    }
    pthread_rwlock_wrlock(&vm->memory);
    int r = reserve(vm);
    if (!r) {
        private ? make_private(vm, start, end) : make_shared(vm, start, end);
    }
    pthread_rwlock_unlock(&vm->memory);
    if (r) {
        return r;
    }
    atomic_fetch_add(&vm->host->conversions, 1);
    if (private) {
        memslot_flush_shared(vm, start, end - start);
    } else if (vm->td) {
        td_range_remove(vm->td, start, end - start);
    }
    return 0;
}
