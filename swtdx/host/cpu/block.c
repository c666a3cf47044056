/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each processor's cache of decoded blocks, keyed by guest physical address and mode.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "block-exit.h"
#include "decode.h"
#include "group.h"
#include "jit.h"
#include "mmu.h"
#include "pool.h"

#define PAGE_BUCKETS 4096
#define PAGE_SLOTS 64        /* a slot is 64 bytes of the page */
#define CACHE_BYTES \
    (UINT64_C(192) << 20) /* more than a boot of Linux decodes; then everything is dropped */
#define POOL_BYTES \
    (4 * CACHE_BYTES)      /* address space only: sizes of dropped blocks need not fit new ones */
#define FETCH_BYTES 512      /* bytes looked at for one block */
#define QUEUE_MAX 256        /* more requests than this drop everything */

typedef struct CodePage CodePage;
struct CodePage {
    uint64_t gpa;
    CodePage *next;
    Block *slot[PAGE_SLOTS];
};

typedef struct Queued {
    CodeRequest request;
    uint64_t gpa;
} Queued;

struct BlockCache {
    JumpEntry jumps[JUMP_ENTRIES]; /* first: jump_entry() */
    CodePage *pages[PAGE_BUCKETS];
    Block *dropped;                /* freed at the next lookup: nothing executes them then */
    uint64_t bytes;
    Pool *pool;                    /* blocks, pages, links */
    Op **links;                    /* direct jumps to other pages: block_forget_linear() */
    size_t n_links, max_links;
    Queued queue[QUEUE_MAX];       /* under the CodeMap's lock */
    unsigned queued;
    bool queue_overflow;
    Decoder decoder;
    const void *no_body;           /* jit_no_body() */
    union {
        Block block;
        uint8_t room[sizeof(Block) + (BLOCK_MAX_OPS + 1) * sizeof(Op)];
    } scratch;                     /* being decoded; executed from here when there is no memory */
};

/* What empty jump entries point at: no Cpu.mode is like its. */
static const Block nowhere = { .mode = UINT32_MAX };

/* Clears what refers to blocks. */
static void forget_blocks(struct BlockCache *c)
{
    for (size_t i = 0; i < JUMP_ENTRIES; i++) {
        c->jumps[i] = (JumpEntry){ (uint64_t)JUMP_NOWHERE, &nowhere };
    }
    for (size_t i = 0; i < c->n_links; i++) {
        c->links[i]->disp = JUMP_NOWHERE;
    }
    c->n_links = 0;
}

static void change_salt(Cpu *cpu, bool user)
{
    uint64_t salt = (cpu->salts[user] >> JUMP_SALT_SHIFT) + 1;
    salt += salt == JUMP_SALT_SKIPPED;
    if (salt >> (64 - JUMP_SALT_SHIFT) != 0) {
        salt = 0;
        forget_blocks(cpu->blocks); /* the old keys would hold again */
    }
    cpu->salts[user] = salt << JUMP_SALT_SHIFT;
}

void block_forget_linear(Cpu *cpu, bool supervisor)
{
    cpu->linear_epoch++;
    cpu->shadow_page = TLB_INVALID;
    if (cpu->blocks == NULL) {
        return;
    }
    change_salt(cpu, true);
    if (supervisor) {
        change_salt(cpu, false);
    }
    cpu->jump_salt = cpu->salts[cpu->cpl == 3];
}

void block_init(Cpu *cpu)
{
    struct BlockCache *c = calloc(1, sizeof(*c));
    if (c == NULL || (c->pool = pool_new(POOL_BYTES)) == NULL) {
        abort(); /* setting up a processor, before any guest runs */
    }
    decoder_init(&c->decoder);
    c->no_body = jit_no_body(cpu);
    cpu->blocks = c;
    forget_blocks(c);
    code_map_register(cpu->group->code, cpu);
}

/* Takes a block out of use; whoever still holds a pointer to it finds ops that leave. */
static void drop_block(struct BlockCache *c, Block *b)
{
    b->body = c->no_body;
    for (unsigned i = 0; i <= b->count; i++) {
        b->ops[i].fn = op_stale;
    }
    b->next = c->dropped;
    c->dropped = b;
}

static void drop_page(struct BlockCache *c, CodePage *page)
{
    for (unsigned s = 0; s < PAGE_SLOTS; s++) {
        for (Block *b = page->slot[s]; b != NULL;) {
            Block *next = b->next;
            drop_block(c, b);
            b = next;
        }
        page->slot[s] = NULL;
    }
}

static CodePage **page_link(struct BlockCache *c, uint64_t gpa)
{
    uint64_t n = gpa >> 12;
    CodePage **p = &c->pages[(n ^ (n >> 12) ^ (n >> 24)) % PAGE_BUCKETS];
    while (*p != NULL && (*p)->gpa != (gpa & GUEST_PAGE_MASK)) {
        p = &(*p)->next;
    }
    return p;
}

void block_drop_page(Cpu *cpu, uint64_t gpa)
{
    CodePage **p = page_link(cpu->blocks, gpa);
    CodePage *page = *p;
    if (page != NULL) {
        drop_page(cpu->blocks, page);
        *p = page->next;
        pool_give(cpu->blocks->pool, page, sizeof(*page));
    }
}

void block_flush(Cpu *cpu)
{
    struct BlockCache *c = cpu->blocks;
    for (unsigned i = 0; i < PAGE_BUCKETS; i++) {
        while (c->pages[i] != NULL) {
            CodePage *page = c->pages[i];
            drop_page(c, page);
            c->pages[i] = page->next;
            pool_give(c->pool, page, sizeof(*page));
        }
    }
}

/* Between blocks only. */
static void free_dropped(Cpu *cpu)
{
    struct BlockCache *c = cpu->blocks;
    if (c->dropped == NULL) {
        return;
    }
    forget_blocks(c);
    while (c->dropped != NULL) {
        Block *b = c->dropped;
        c->dropped = b->next;
        size_t size = sizeof(Block) + (b->count + 1u) * sizeof(Op);
        c->bytes -= size;
        pool_give(c->pool, b, size);
    }
}

void block_fini(Cpu *cpu)
{
    if (cpu->blocks == NULL) {
        return;
    }
    code_map_unregister(cpu->group->code, cpu);
    block_flush(cpu);
    free_dropped(cpu);
    pool_free(cpu->blocks->pool);
    free(cpu->blocks);
    cpu->blocks = NULL;
}

/* ---- requests of other processors ---- */

void block_queue(Cpu *cpu, CodeRequest request, uint64_t gpa)
{
    struct BlockCache *c = cpu->blocks;
    if (c->queued == QUEUE_MAX) {
        c->queue_overflow = true;
        return;
    }
    c->queue[c->queued++] = (Queued){ request, gpa };
}

void block_run_requests(Cpu *cpu)
{
    struct BlockCache *c = cpu->blocks;
    CodeMap *map = cpu->group->code;
    Queued queue[QUEUE_MAX];
    /* The bit goes first: a request that comes now sets it again. */
    atomic_fetch_and(&cpu->pending, ~(uint32_t)CPU_PENDING_CODE);
    pthread_mutex_t *lock = code_map_lock(map);
    pthread_mutex_lock(lock);
    unsigned n = c->queued;
    bool overflow = c->queue_overflow;
    memcpy(queue, c->queue, n * sizeof(Queued));
    c->queued = 0;
    c->queue_overflow = false;
    pthread_mutex_unlock(lock);

    if (overflow) {
        /*
         * What was lost may have been a CODE_PROTECT: be unable to write anything unnoticed, and
         * have written everything.
         */
        block_flush(cpu);
        mmu_flush_all(cpu);
        code_map_request(map, cpu, CODE_DROP_ALL, 0);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        if (queue[i].request == CODE_DROP_ALL) {
            block_flush(cpu);
            continue;
        }
        block_drop_page(cpu, queue[i].gpa);
        if (queue[i].request == CODE_PROTECT) {
            mmu_protect_code(cpu, queue[i].gpa);
            code_map_request(map, cpu, CODE_DROP, queue[i].gpa);
        }
    }
}

/* ---- lookup ---- */

static uint32_t block_mode(const Cpu *cpu)
{
    bool single = (cpu->rflags & FLAG_TF) ||
                  (atomic_load_explicit(&cpu->pending, memory_order_relaxed) & CPU_PENDING_STEP);
    return cpu->mode | (single ? BLOCK_SINGLE : 0);
}

static Block *find_block(struct BlockCache *c, uint64_t gpa, uint32_t mode)
{
    CodePage *page = *page_link(c, gpa);
    Block *b = page != NULL ? page->slot[(gpa & 0xfff) / 64] : NULL;
    while (b != NULL && (b->gpa != gpa || b->mode != mode)) {
        b = b->next;
    }
    return b;
}

/*
 * A heap copy of the scratch block in the cache, or the scratch block itself when there is no
 * memory.
 */
static Block *keep_scratch(Cpu *cpu)
{
    struct BlockCache *c = cpu->blocks;
    Block *scratch = &c->scratch.block;
    size_t size = sizeof(Block) + (scratch->count + 1u) * sizeof(Op);
    CodePage **link = page_link(c, scratch->gpa);
    if (*link == NULL) {
        CodePage *page = pool_take(c->pool, sizeof(*page));
        if (page == NULL) {
            return scratch;
        }
        page->gpa = scratch->gpa & GUEST_PAGE_MASK;
        *link = page;
    }
    Block *b = pool_take(c->pool, size);
    if (b == NULL) {
        return scratch;
    }
    memcpy(b, scratch, size);
    jit_watch(cpu, b);
    Block **slot = &(*link)->slot[(b->gpa & 0xfff) / 64];
    b->next = *slot;
    *slot = b;
    c->bytes += size;
    return b;
}

/*
 * The bytes of an instruction that goes over the page's end; returns how many are there (15 at
 * most). Raises.
 */
static size_t fetch_crossing(Cpu *cpu, uint64_t linear, uint8_t *bytes)
{
    uint64_t gpa;
    size_t first = mmu_fetch(cpu, linear, bytes, BLOCK_MAX_INSN, &gpa);
    if (first == BLOCK_MAX_INSN) {
        return first;
    }
    return first + mmu_fetch(cpu, linear + first, bytes + first, BLOCK_MAX_INSN - first, &gpa);
}

static const Block *decode_at(Cpu *cpu, uint64_t linear, uint64_t gpa, uint32_t mode)
{
    struct BlockCache *c = cpu->blocks;
    Block *b = &c->scratch.block;
    uint8_t bytes[FETCH_BYTES], again[FETCH_BYTES];
    unsigned max_ops = (mode & BLOCK_SINGLE) ? 1 : BLOCK_MAX_OPS;
    for (;;) {
        uint64_t at;
        size_t n = mmu_fetch(cpu, linear, bytes, sizeof(bytes), &at);
        memset(b, 0, sizeof(*b));
        b->body = c->no_body;
        b->gpa = gpa;
        b->mode = mode;
        b->offset = gpa & 0xfff;
        if (!decode_block(&c->decoder, cpu, b, bytes, n, max_ops)) {
            n = fetch_crossing(cpu, linear, bytes);
            b->crossing = true;
            memcpy(b->bytes, bytes, sizeof(b->bytes));
            decode_block(&c->decoder, cpu, b, bytes, n, 1);
        }
        unsigned here = b->length < 0x1000u - b->offset ? b->length : 0x1000u - b->offset;
        bool first = code_map_add(cpu->group->code, gpa, here);
        if (first || *page_link(c, gpa) == NULL) {
            /*
             * Another processor may have marked the page and not yet told this one, which must see
             * its own writes at once.
             */
            mmu_protect_code(cpu, gpa & GUEST_PAGE_MASK);
        }
        if (first) {
            code_map_request(cpu->group->code, cpu, CODE_PROTECT, gpa & GUEST_PAGE_MASK);
        }
        /* Another processor may have written between reading and marking. */
        if (mmu_fetch(cpu, linear, again, here, &at) == here && at == gpa &&
            memcmp(bytes, again, here) == 0) {
            return keep_scratch(cpu);
        }
        gpa = at;
    }
}

/* Whether a crossing block still says what stands in memory. Raises if the second page is gone. */
static bool crossing_valid(Cpu *cpu, const Block *b, uint64_t linear)
{
    uint8_t bytes[BLOCK_MAX_INSN];
    return fetch_crossing(cpu, linear, bytes) >= b->length &&
           memcmp(bytes, b->bytes, b->length) == 0;
}

const Op *block_lookup(Cpu *cpu)
{
    struct BlockCache *c = cpu->blocks;
    cpu->op = NULL;
    cpu->block = NULL;
    if (c->bytes > CACHE_BYTES || jit_full(cpu)) {
        block_flush(cpu);
    }
    free_dropped(cpu);
    if (jit_full(cpu)) {
        jit_reset(cpu);
    }
    uint64_t linear = cpu->rip;
    uint32_t mode = block_mode(cpu);
    const JumpEntry *e = jump_entry(cpu, cpu->rip);
    if ((mode & CPU_MODE_CS64) && e->key == (cpu->rip ^ cpu->jump_salt) && e->block->mode == mode) {
        return block_enter(cpu, e->block, cpu->rip);
    }
    if (!(cpu->mode & CPU_MODE_CS64)) {
        const Segment *cs = &cpu->seg[SEG_CS];
        if (cpu->rip > cs->limit) {
            cpu_raise(cpu, VEC_GP, 0);
        }
        linear = (uint32_t)(cpu->rip + cs->base);
    }
    uint64_t gpa = mmu_fetch_gpa(cpu, linear);
    const Block *b = find_block(c, gpa, mode);
    if (b != NULL && b->crossing && !crossing_valid(cpu, b, linear)) {
        block_drop_page(cpu, gpa);
        b = NULL;
    }
    if (b == NULL) {
        b = decode_at(cpu, linear, gpa, mode);
    }
    if (!b->crossing && b != &c->scratch.block) {
        *jump_entry(cpu, cpu->rip) = (JumpEntry){ cpu->rip ^ cpu->jump_salt, b };
    }
    return block_enter(cpu, b, cpu->rip);
}

/* ---- exits ---- */

/*
 * Remembers in a direct jump where it goes. Links into the same page need no record: both blocks
 * die together.
 */
static void link_jump(Cpu *cpu, const Op *op, const Block *to, uint64_t rip)
{
    struct BlockCache *c = cpu->blocks;
    const Block *from = cpu->block;
    if (from == &c->scratch.block || from->crossing || (from == to && from->spins)) {
        return;
    }
    Op *jump = (Op *)op; /* the cache owns its ops, handlers see them as const */
    if ((from->gpa ^ to->gpa) >> 12 != 0) {
        if (rip - cpu->regs[GPR_PAGE] < GUEST_PAGE_SIZE) {
            /*
             * a translation that the guest has changed and not flushed: good for once
             * (jit-control.c relies on it)
             */
            return;
        }
        if (c->n_links == c->max_links) {
            size_t room = c->max_links != 0 ? c->max_links * 2 : 1024;
            Op **grown = pool_take(c->pool, room * sizeof(*grown));
            if (grown == NULL) {
                return;
            }
            if (c->n_links) {
                memcpy(grown, c->links, c->n_links * sizeof(*grown));
                pool_give(c->pool, c->links, c->max_links * sizeof(*grown));
            }
            c->links = grown;
            c->max_links = room;
        }
        c->links[c->n_links++] = jump;
    }
    jump->ptr = (void *)to;
    jump->disp = (int64_t)(rip ^ cpu->jump_salt);
}

/* The decoded block at `rip`, if that can be known without translating. */
static const Block *known_block(Cpu *cpu, uint64_t rip)
{
    const JumpEntry *e = jump_entry(cpu, rip);
    if (e->key == (rip ^ cpu->jump_salt) && e->block->mode == cpu->mode) {
        return e->block;
    }
    const Block *here = cpu->block;
    uint64_t offset = rip - cpu->regs[GPR_PAGE];
    if (offset > 0xfff) {
        return NULL;
    }
    const Block *b = find_block(cpu->blocks, (here->gpa & GUEST_PAGE_MASK) | offset, cpu->mode);
    return b != NULL && !b->crossing ? b : NULL;
}

const Op *block_direct_slow(Cpu *cpu, const Op *op, uint64_t rip)
{
    cpu->rip = rip;
    if (cpu->block->spins && rip == cpu->regs[GPR_PAGE] + cpu->block->offset) {
        cpu_spin(cpu);
    }
    if (block_pending(cpu)) {
        return NULL;
    }
    const Block *b = known_block(cpu, rip);
    if (b == NULL) {
        return NULL;
    }
    link_jump(cpu, op, b, rip);
    return block_enter(cpu, b, rip);
}

const Op *block_indirect_slow(Cpu *cpu, uint64_t rip)
{
    cpu->rip = rip;
    if (block_pending(cpu)) {
        return NULL;
    }
    const Block *b = known_block(cpu, rip);
    return b != NULL ? block_enter(cpu, b, rip) : NULL;
}

static void count_to(Cpu *cpu, const Op *op)
{
    cpu->instructions += (uint64_t)(op - cpu->block->ops) + 1;
}

const Op *block_leave(Cpu *cpu, const Op *op)
{
    count_to(cpu, op);
    cpu->rip = cpu_op_next_rip(cpu, op);
    return NULL;
}

const Op *op_stale(Cpu *cpu, const Op *op)
{
    cpu->instructions += (uint64_t)(op - cpu->block->ops);
    cpu->rip = cpu_op_rip(cpu, op);
    return NULL;
}

const Op *op_end(Cpu *cpu, const Op *op)
{
    EXIT_DIRECT(cpu, op, cpu_op_rip(cpu, op));
}
