/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks of decoded instructions, keyed by guest physical address, Cpu.mode; how handlers leave
 * them.
 */
#ifndef SWTDX_BLOCK_H
#define SWTDX_BLOCK_H

#include "cpu.h"

typedef struct CodeMap CodeMap;

/*
 * What a handler returns instead of NEXT after anything that changed mode, paging, IF or code: sets
 * cpu->rip to the next instruction and goes through the slow path of cpu_run() (NULL). Exits to
 * other blocks are in block-exit.h.
 */
const Op *block_leave(Cpu *cpu, const Op *op);

/*
 * Guest physical page (shared bit included) holds decoded code of some Cpu in the group? Any
 * thread.
 */
bool code_page_test(CpuGroup *group, uint64_t gpa);
/*
 * A store of this Cpu hit a code page: drop its blocks here, and have the others drop theirs.
 * Called by mmu.c after the check, before the store.
 */
void code_page_write(Cpu *cpu, uint64_t gpa);
/*
 * The same for a store of known extent within one page: blocks stay when the bytes written hold no
 * code.
 */
void code_page_write_range(Cpu *cpu, uint64_t gpa, unsigned size);
/* The page's content changed outside instructions (removed, mapped anew): any thread. */
void code_page_discard(CpuGroup *group, uint64_t gpa, uint64_t size);

/* The group's record of code pages: one per CpuGroup (CpuGroup.code). */
CodeMap *code_map_new(void);
void code_map_free(CodeMap *map);

/*
 * The first Op of the block at cpu->rip in cpu->mode; decodes it if need be, sets cpu->block and
 * GPR_PAGE. Called by cpu_run() between blocks only. Raises fetch faults with cpu->op == NULL (RIP
 * is cpu->rip then). With RFLAGS.TF or CPU_PENDING_STEP the block holds one instruction.
 */
const Op *block_lookup(Cpu *cpu);
/*
 * Linear addresses may mean other pages now, those of supervisor code only if so said: forgets RIP
 * -> block, keeps the blocks. For mmu_flush_*.
 */
void block_forget_linear(Cpu *cpu, bool supervisor);

/* Drops every block of this Cpu / runs requests that others queued (CPU_PENDING_CODE). */
void block_flush(Cpu *cpu);
void block_run_requests(Cpu *cpu);
void block_init(Cpu *cpu);
void block_fini(Cpu *cpu);

#endif
