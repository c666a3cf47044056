/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks from inside: what block.c keeps and how handlers of direct and indirect jumps go from
 * block to block without a lookup.
 *
 * A direct jump keeps its target block in op->ptr and the RIP for which that holds in op->disp (as
 * a key: below; the same physical page may be executed at several linear addresses). An indirect
 * jump asks the jump cache. Both are forgotten when linear addresses change their meaning
 * (block_forget_linear) and before a block's memory is freed: they hold RIPs exclusive-or
 * Cpu.jump_salt, which then changes in bits 63:57, where canonical addresses are all alike.
 * Supervisor code and user code have salts of their own, so that a switch between user spaces does
 * not make the former forget. A dropped block whose memory still lives has all its ops replaced by
 * op_stale, which leaves to the slow path with RIP on itself: so a store into the running block
 * takes effect at the next instruction.
 */
#ifndef SWTDX_BLOCK_EXIT_H
#define SWTDX_BLOCK_EXIT_H

#include <pthread.h>

#include "block.h"
#include "cpu.h"

#define BLOCK_MAX_OPS 64
#define BLOCK_MAX_INSN 15 /* bytes of an instruction: SDM vol. 2, 2.3.11 */

struct Block {
    uint64_t gpa;      /* of the first byte */
    uint32_t mode;     /* Cpu.mode, BLOCK_SINGLE */
    uint16_t offset;   /* gpa in its page */
    uint16_t count;    /* ops, without the last one that goes on */
    uint16_t length;   /* bytes decoded */
    /*
     * one instruction over the page's end: `bytes` are compared at each lookup, nothing links here
     */
    bool crossing;
    bool endbranch;    /* begins with ENDBRANCH: indirect branches may come here (cet.h) */
    /* some jump back to its start waits for memory to change (spin.h): it stays unlinked */
    bool spins;
    uint8_t bytes[BLOCK_MAX_INSN];
    Block *next;       /* of the same slot, or of the dropped ones */
    const void *body;  /* jit.h: where host code goes that jumps here */
    OpFn first;        /* the interpreter's handler of the first Op */
    uint32_t heat;     /* entries until it is translated */
    Op ops[];          /* count + 1 */
};

#define BLOCK_SINGLE (1u << 31) /* one instruction: RFLAGS.TF */

typedef struct JumpEntry {
    uint64_t key;       /* RIP ^ Cpu.jump_salt */
    const Block *block; /* never NULL */
} JumpEntry;

#define JUMP_ENTRIES 4096
#define JUMP_SALT_SHIFT 57
#define JUMP_SALT_SKIPPED 64u /* with it, JUMP_NOWHERE would be a canonical RIP */
#define JUMP_NOWHERE INT64_C(-0x7fffffffffffffff) /* no RIP's key */

typedef struct BlockCache BlockCache;

/* The jump cache comes first, so that the exits need to know nothing else of BlockCache. */
static inline JumpEntry *jump_entry(const Cpu *cpu, uint64_t rip)
{
    return &((JumpEntry *)cpu->blocks)[(rip ^ (rip >> 11)) & (JUMP_ENTRIES - 1)];
}

#ifdef SWTDX_TAILCALLS
#define DISPATCH(cpu, to) CPU_TAIL_CALL (to)->fn((cpu), (to))
#else
#define DISPATCH(cpu, to) return (to)
#endif

static inline bool block_pending(const Cpu *cpu)
{
    return atomic_load_explicit(&cpu->pending, memory_order_relaxed) != 0;
}

static inline const Op *block_enter(Cpu *cpu, const Block *block, uint64_t rip)
{
    cpu->block = block;
    cpu->regs[GPR_PAGE] = rip - block->offset;
    return block->ops;
}

/* Missed: sets cpu->rip, finds and links the block if it is decoded already. */
const Op *block_direct_slow(Cpu *cpu, const Op *op, uint64_t rip);
const Op *block_indirect_slow(Cpu *cpu, uint64_t rip);

/*
 * Ends of handlers in family_control, whose ops hold in `flags` how many instructions of the block
 * have been executed when they leave it.
 */
#define EXIT_DIRECT(cpu, op, target)                                                             \
    do {                                                                                         \
        const Op *from_ = (op);                                                                  \
        uint64_t rip_ = (target);                                                                \
        (cpu)->instructions += from_->flags;                                                     \
        if (likely((uint64_t)from_->disp == (rip_ ^ (cpu)->jump_salt) && !block_pending(cpu))) { \
            const Op *to_ = block_enter(cpu, from_->ptr, rip_);                                  \
            DISPATCH(cpu, to_);                                                                  \
        }                                                                                        \
        return block_direct_slow(cpu, from_, rip_);                                              \
    } while (0)

#define EXIT_INDIRECT(cpu, op, target)                                                             \
    do {                                                                                           \
        uint64_t rip_ = (target);                                                                  \
        (cpu)->instructions += (op)->flags;                                                        \
        const JumpEntry *e_ = jump_entry(cpu, rip_);                                               \
        if (likely(e_->key == (rip_ ^ (cpu)->jump_salt) && e_->block->mode == (cpu)->mode &&       \
                   !block_pending(cpu))) {                                                         \
            const Op *to_ = block_enter(cpu, e_->block, rip_);                                     \
            DISPATCH(cpu, to_);                                                                    \
        }                                                                                          \
        return block_indirect_slow(cpu, rip_);                                                     \
    } while (0)

const Op *op_stale(Cpu *cpu, const Op *op);
/* After the last instruction of a block that none of its ops leaves. */
const Op *op_end(Cpu *cpu, const Op *op);

/* The group's record (code-map.c). */
typedef enum CodeRequest { CODE_DROP, CODE_DROP_ALL, CODE_PROTECT } CodeRequest;
/* Notes that [gpa, gpa + length) holds decoded code; true if the page held none before. */
bool code_map_add(CodeMap *map, uint64_t gpa, unsigned length);
void code_map_register(CodeMap *map, Cpu *cpu);
void code_map_unregister(CodeMap *map, Cpu *cpu);
/* Queues a request about a page to every processor but `self` (may be NULL). */
void code_map_request(CodeMap *map, Cpu *self, CodeRequest request, uint64_t gpa);
pthread_mutex_t *code_map_lock(CodeMap *map);
/* block.c: adds to cpu's queue. Called with the map's lock held. */
void block_queue(Cpu *cpu, CodeRequest request, uint64_t gpa);
/* Drops this Cpu's blocks of one page. */
void block_drop_page(Cpu *cpu, uint64_t gpa);

#endif
