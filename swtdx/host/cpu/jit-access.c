/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest registers and guest memory in host code. */
#include "jit-state.h"

JitRm jit_guest(unsigned guest)
{
    unsigned host = jit_pinned(guest);
    return host != H_NONE ? rm_reg(host) : rm_mem(H_RDI, (int64_t)offsetof(Cpu, regs) + (int)guest);
}

unsigned jit_read(JitCode *c, unsigned guest, unsigned scratch)
{
    unsigned host = jit_pinned(guest);
    if (host != H_NONE) {
        return host;
    }
    emit_rm(&c->b, 8, 0x8b, scratch, jit_guest(guest));
    return scratch;
}

unsigned jit_dst(JitCode *c, unsigned guest, unsigned scratch, bool load)
{
    unsigned host = jit_pinned(guest);
    if (host == H_NONE && load) {
        emit_rm(&c->b, 8, 0x8b, scratch, jit_guest(guest));
    }
    return host != H_NONE ? host : scratch;
}

void jit_dst_done(JitCode *c, unsigned guest, unsigned host)
{
    if (jit_pinned(guest) == H_NONE) {
        emit_rm(&c->b, 8, 0x89, host, jit_guest(guest));
    }
}

/* disp fits 32 bits: jit_classify() sees to it. */
JitRm jit_effective(JitCode *c)
{
    const Op *op = c->op;
    bool has_base = op->base != GPR_ZERO * 8, has_index = op->index != GPR_ZERO * 8;
    JitRm rm = { .reg = H_NONE, .index = H_NONE, .disp = (int32_t)op->disp };
    if (has_index) {
        rm.index = (uint8_t)jit_read(c, op->index, H_RCX);
        rm.shift = op->shift;
    }
    if (has_base) {
        rm.base = (uint8_t)jit_read(c, op->base, H_RAX);
    } else {
        emit_mov_imm(&c->b, H_RAX, (uint64_t)op->disp);
        rm.base = H_RAX;
        rm.disp = 0;
    }
    return rm;
}

void jit_linear(JitCode *c)
{
    const Op *op = c->op;
    JitRm rm = jit_effective(c);
    if (rm.index == H_NONE && rm.disp == 0) {
        if (rm.base != H_RAX || op->addr_size == 4) {
            emit_rm(&c->b, op->addr_size, 0x8b, H_RAX, rm_reg(rm.base));
        }
    } else {
        emit_rm(&c->b, op->addr_size, 0x8d, H_RAX, rm);
    }
    if (op->seg >= SEG_FS) {
        int64_t base = (int64_t)(offsetof(Cpu, seg) + op->seg * sizeof(Segment) +
                                 offsetof(Segment, base));
        emit_rm(&c->b, 8, 0x03, H_RAX, rm_mem(H_RDI, base));
        c->host_flags = false;
    }
}

/*
 * The entry's place follows from the address and the host's address from the entry, so a load would
 * wait for the one after the other. But neighbouring pages mostly lie side by side in the host's
 * memory too, and an access mostly meets the pages it met the last time: what is to be added is
 * what was added then, and the entry, fetched beside the load, has only to agree.
 */
#define GUESS_STACK 0u

/* Accesses of a block with the same registers, not far from each other, guess together. */
static unsigned guess_of(JitCode *c)
{
    const Op *op = c->op;
    if (op->base == GPR_RSP * 8) {
        return GUESS_STACK;
    }
    JitGuess wanted = { op->base, op->index, op->shift, (int32_t)(op->disp >> 12), 0 };
    for (unsigned i = 0; i < c->n_guesses; i++) {
        const JitGuess *g = &c->guesses[i];
        if (g->base == wanted.base && g->index == wanted.index && g->shift == wanted.shift &&
            g->pages == wanted.pages) {
            return g->guess;
        }
    }
    wanted.guess = (uint16_t)(1 + c->state->guesses++ % (TLB_GUESSES - 1));
    c->guesses[c->n_guesses++] = wanted;
    return wanted.guess;
}

static JitRm guess_field(unsigned guess)
{
    return rm_mem(H_RDI, (int64_t)(offsetof(Cpu, guesses) + guess * sizeof(uintptr_t)));
}

_Static_assert(sizeof(TlbEntry) == 32, "an entry is at (linear >> 12) * 32");

/*
 * RCX <- the entry of RAX, if it has the access; else to the handler. The page of the last byte is
 * compared, so an access over the page's end misses too.
 */
static void find_entry(JitCode *c, unsigned size, bool write)
{
    JitBuffer *b = &c->b;
    size_t tag = write ? offsetof(TlbEntry, write) : offsetof(TlbEntry, read);
    emit_rm(b, 4, 0x89, H_RAX, rm_reg(H_RCX));
    emit_rm_imm(b, 4, 0xc1, 5, rm_reg(H_RCX), 12 - 5, 1);
    emit_alu_imm(b, 4, 4, rm_reg(H_RCX), (TLB_ENTRIES - 1) << 5);
    emit_rm(b, 8, 0x03, H_RCX, JIT_FIELD(tlb));
    emit_rm(b, 8, 0x8d, H_RDX, rm_mem(H_RAX, (int)size - 1));
    emit_alu_imm(b, 8, 4, rm_reg(H_RDX), -4096);
    emit_rm(b, 8, 0x3b, H_RDX, rm_mem(H_RCX, (int64_t)tag));
    c->host_flags = false;
    jit_handler_if(c, CC_NE);
}

static void lookup(JitCode *c, unsigned size, bool write, unsigned guess)
{
    JitBuffer *b = &c->b;
    find_entry(c, size, write);
    emit_rm(b, 8, 0x8b, H_RDX, guess_field(guess));
    emit_rm(b, 8, 0x3b, H_RDX, rm_mem(H_RCX, offsetof(TlbEntry, addend)));
    jit_side(c, SIDE_GUESS, emit_jcc(b, CC_NE));
    c->sides[c->n_sides - 1].guess = (uint16_t)guess;
    c->sides[c->n_sides - 1].back = b->at;
    emit_rm(b, 8, 0x03, H_RAX, rm_reg(H_RDX));
}

/*
 * The stack stays in its page for long, so a copy of that page's entry is asked first. The low bits
 * of addresses that are not aligned make the comparison fail, as they may leave the page.
 */
static void lookup_stack(JitCode *c, unsigned size, bool write)
{
    JitBuffer *b = &c->b;
    emit_rm(b, 8, 0x89, H_RAX, rm_reg(H_RDX));
    emit_alu_imm(b, 8, 4, rm_reg(H_RDX), -4096 | (int)(size - 1));
    emit_rm(b, 8, 0x3b, H_RDX, write ? JIT_FIELD(stack_write) : JIT_FIELD(stack_read));
    c->host_flags = false;
    jit_side(c, SIDE_STACK, emit_jcc(b, CC_NE));
    c->sides[c->n_sides - 1].size = (uint8_t)size;
    c->sides[c->n_sides - 1].write = write;
    c->sides[c->n_sides - 1].back = b->at;
    emit_rm(b, 8, 0x03, H_RAX, JIT_FIELD(stack_addend));
}

static void copy_field(JitCode *c, size_t from, JitRm to)
{
    emit_rm(&c->b, 8, 0x8b, H_RDX, rm_mem(H_RCX, (int64_t)from));
    emit_rm(&c->b, 8, 0x89, H_RDX, to);
}

void jit_stack_side(JitCode *c, const JitSide *side)
{
    find_entry(c, side->size, side->write);
    copy_field(c, offsetof(TlbEntry, read), JIT_FIELD(stack_read));
    copy_field(c, offsetof(TlbEntry, write), JIT_FIELD(stack_write));
    copy_field(c, offsetof(TlbEntry, addend), JIT_FIELD(stack_addend));
    emit_jmp_to(&c->b, side->back);
}

void jit_lookup(JitCode *c, unsigned size, bool write)
{
    if (c->op->base == GPR_RSP * 8 && size <= 8 && (size & (size - 1)) == 0) {
        lookup_stack(c, size, write);
    } else {
        lookup(c, size, write, guess_of(c));
    }
}

void jit_lookup_stack(JitCode *c, bool write)
{
    lookup_stack(c, 8, write);
}

/* RCX: the entry. */
void jit_guess_side(JitCode *c, const JitSide *side)
{
    emit_rm(&c->b, 8, 0x8b, H_RDX, rm_mem(H_RCX, offsetof(TlbEntry, addend)));
    emit_rm(&c->b, 8, 0x89, H_RDX, guess_field(side->guess));
    emit_jmp_to(&c->b, side->back);
}
