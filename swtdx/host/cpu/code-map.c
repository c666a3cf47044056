/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which guest physical pages hold decoded code of some processor of a group, and telling the others
 * when one is written.
 *
 * Readers take no lock: a sparse tree of atomic words, one word per page, one bit per 64 bytes.
 * Nodes are never removed before the group ends.
 *
 * Order of things when processor A decodes from a page while B may still write it through its soft
 * TLB: A marks the page, has itself and all others drop their write entries (CODE_PROTECT), and
 * decodes again if the bytes changed in between. B, when it gets to the request, has everybody drop
 * that page once more, because it may have written between A's decoding and its own losing the
 * entry. SDM vol. 3, 9.1.3 asks guests for a serialising instruction in such cases, so acting at
 * B's next block exit is early enough.
 */
#include <pthread.h>
#include <stdlib.h>

#include "block-exit.h"
#include "group.h"
#include "pool.h"

#define LEAF_PAGES 512u  /* 2 MiB */
#define MID_LEAVES 32768u /* 64 GiB */
#define TOP_MIDS 65536u  /* 52 bits of physical address */
#define POOL_BYTES (UINT64_C(1) << 30) /* address space only: nodes for code in 400 GiB */

typedef struct CodeLeaf {
    _Atomic uint64_t page[LEAF_PAGES];
} CodeLeaf;

typedef struct CodeMid {
    _Atomic(void *) leaf[MID_LEAVES]; /* CodeLeaf */
} CodeMid;

struct CodeMap {
    _Atomic(void *) mid[TOP_MIDS];    /* CodeMid */
    Pool *pool;           /* nodes */
    pthread_mutex_t pool_lock;
    pthread_mutex_t lock; /* cpus, and every queue of theirs */
    Cpu **cpus;
    unsigned n_cpus;
};

CodeMap *code_map_new(void)
{
    CodeMap *map = calloc(1, sizeof(*map));
    Pool *pool = pool_new(POOL_BYTES);
    if (map == NULL || pool == NULL) {
        pool_free(pool);
        free(map);
        return NULL;
    }
    map->pool = pool;
    pthread_mutex_init(&map->lock, NULL);
    pthread_mutex_init(&map->pool_lock, NULL);
    return map;
}

void code_map_free(CodeMap *map)
{
    if (map == NULL) {
        return;
    }
    pool_free(map->pool);
    pthread_mutex_destroy(&map->pool_lock);
    pthread_mutex_destroy(&map->lock);
    free(map->cpus);
    free(map);
}

/* The node that *slot holds, made if it is missing. NULL: there is no memory. */
static void *make_node(CodeMap *map, _Atomic(void *) *slot, size_t size)
{
    pthread_mutex_lock(&map->pool_lock);
    void *node = *slot;
    if (node == NULL) {
        node = pool_take(map->pool, size);
        *slot = node;
    }
    pthread_mutex_unlock(&map->pool_lock);
    return node;
}

/* The word of a page, or NULL. create: makes the nodes; NULL then means that there is no memory. */
static _Atomic uint64_t *code_word(CodeMap *map, uint64_t gpa, bool create)
{
    uint64_t page = gpa >> 12;
    uint64_t top = page / LEAF_PAGES / MID_LEAVES;
    if (top >= TOP_MIDS) {
        return NULL;
    }
    CodeMid *mid = map->mid[top];
    if (mid == NULL && create) {
        mid = make_node(map, &map->mid[top], sizeof(CodeMid));
    }
    if (mid == NULL) {
        return NULL;
    }
    _Atomic(void *) *slot = &mid->leaf[page / LEAF_PAGES % MID_LEAVES];
    CodeLeaf *leaf = *slot;
    if (leaf == NULL && create) {
        leaf = make_node(map, slot, sizeof(CodeLeaf));
    }
    return leaf == NULL ? NULL : &leaf->page[page % LEAF_PAGES];
}

/* Bits of the 64-byte pieces that [gpa, gpa + length) touches in its page. */
static uint64_t code_bits(uint64_t gpa, unsigned length)
{
    unsigned first = (gpa & 0xfff) / 64;
    unsigned end = (unsigned)(gpa & 0xfff) + (length != 0 ? length : 1);
    unsigned last = end > 4096 ? 63 : (end - 1) / 64;
    return (~UINT64_C(0) >> (63 - (last - first))) << first;
}

bool code_map_add(CodeMap *map, uint64_t gpa, unsigned length)
{
    _Atomic uint64_t *word = code_word(map, gpa, true);
    return word != NULL && atomic_fetch_or(word, code_bits(gpa, length)) == 0;
}

void code_map_register(CodeMap *map, Cpu *cpu)
{
    pthread_mutex_lock(&map->lock);
    Cpu **grown = realloc(map->cpus, (map->n_cpus + 1) * sizeof(Cpu *));
    if (grown == NULL) {
        abort(); /* setting up a processor, before any guest runs */
    }
    map->cpus = grown;
    map->cpus[map->n_cpus++] = cpu;
    pthread_mutex_unlock(&map->lock);
}

void code_map_unregister(CodeMap *map, Cpu *cpu)
{
    pthread_mutex_lock(&map->lock);
    for (unsigned i = 0; i < map->n_cpus; i++) {
        if (map->cpus[i] == cpu) {
            map->cpus[i] = map->cpus[--map->n_cpus];
            break;
        }
    }
    pthread_mutex_unlock(&map->lock);
}

pthread_mutex_t *code_map_lock(CodeMap *map)
{
    return &map->lock;
}

static void request_locked(CodeMap *map, Cpu *self, CodeRequest request, uint64_t gpa)
{
    for (unsigned i = 0; i < map->n_cpus; i++) {
        if (map->cpus[i] != self) {
            block_queue(map->cpus[i], request, gpa);
            cpu_request(map->cpus[i], CPU_PENDING_CODE);
        }
    }
}

void code_map_request(CodeMap *map, Cpu *self, CodeRequest request, uint64_t gpa)
{
    pthread_mutex_lock(&map->lock);
    request_locked(map, self, request, gpa);
    pthread_mutex_unlock(&map->lock);
}

/*
 * The page's mark goes and the others drop what they decoded from it, in this order: whoever finds
 * no mark has the request already, and acts on it before it runs another block; and whoever has
 * acted on it, under the same lock, decodes and marks anew after the mark has gone. Otherwise a
 * processor could write over a block of its own, find no mark, and run the block.
 */
static void unmark(CodeMap *map, Cpu *self, _Atomic uint64_t *word, uint64_t page)
{
    pthread_mutex_lock(&map->lock);
    request_locked(map, self, CODE_DROP, page);
    atomic_store(word, 0);
    pthread_mutex_unlock(&map->lock);
}

bool code_page_test(CpuGroup *group, uint64_t gpa)
{
    _Atomic uint64_t *word = code_word(group->code, gpa, false);
    return word != NULL && atomic_load(word) != 0;
}

void code_page_write_range(Cpu *cpu, uint64_t gpa, unsigned size)
{
    CodeMap *map = cpu->group->code;
    _Atomic uint64_t *word = code_word(map, gpa, false);
    if (word == NULL || (atomic_load(word) & code_bits(gpa, size)) == 0) {
        return;
    }
    unmark(map, cpu, word, gpa & ~UINT64_C(0xfff));
    block_drop_page(cpu, gpa);
}

void code_page_write(Cpu *cpu, uint64_t gpa)
{
    code_page_write_range(cpu, gpa & ~UINT64_C(0xfff), 4096);
}

void code_page_discard(CpuGroup *group, uint64_t gpa, uint64_t size)
{
    CodeMap *map = group->code;
    uint64_t end = size > UINT64_MAX - gpa ? UINT64_MAX : gpa + size;
    uint64_t at = gpa & ~UINT64_C(0xfff);
    const uint64_t leaf_size = LEAF_PAGES * UINT64_C(4096);
    while (at < end && at < UINT64_C(1) << 52) {
        _Atomic uint64_t *word = code_word(map, at, false);
        if (word == NULL) {
            bool mid = map->mid[at / leaf_size / MID_LEAVES] != NULL;
            at = (at | ((mid ? leaf_size : leaf_size * MID_LEAVES) - 1)) + 1;
            continue;
        }
        if (atomic_load(word) != 0) {
            unmark(map, NULL, word, at);
        }
        at += 4096;
    }
}
