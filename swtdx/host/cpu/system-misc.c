/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID, time, randomness, ports, HLT, what a TDX module answers, cache control, fences and hints.
 */
#include "group.h"
#include "segment.h"
#include "system-misc.h"
#include "system-ops.h"

/* ---- CPUID and time ---- */

static CPU_APART void execute_cpuid(Cpu *cpu)
{
    uint32_t out[4] = { 0 };
    cpu->world->cpuid(cpu, (uint32_t)cpu->regs[GPR_RAX], (uint32_t)cpu->regs[GPR_RCX], out);
    cpu->regs[GPR_RAX] = out[0];
    cpu->regs[GPR_RBX] = out[1];
    cpu->regs[GPR_RCX] = out[2];
    cpu->regs[GPR_RDX] = out[3];
}

const Op *op_cpuid(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    execute_cpuid(cpu);
    NEXT(cpu, op);
}

static void read_tsc(Cpu *cpu, const Op *op)
{
    uint64_t tsc;
    begin(cpu, op);
    if (cpu->cpl && (cpu->cr4 & CR4_TSD)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    tsc = cpu->world->rdtsc(cpu);
    cpu->regs[GPR_RAX] = (uint32_t)tsc;
    cpu->regs[GPR_RDX] = tsc >> 32;
}

const Op *op_rdtsc(Cpu *cpu, const Op *op)
{
    read_tsc(cpu, op);
    NEXT(cpu, op);
}

const Op *op_rdtscp(Cpu *cpu, const Op *op)
{
    read_tsc(cpu, op);
    cpu->regs[GPR_RCX] = (uint32_t)cpu->tsc_aux;
    NEXT(cpu, op);
}

const Op *op_rdpid(Cpu *cpu, const Op *op)
{
    CPU_REG(cpu, uint64_t, op->dst) = (uint32_t)cpu->tsc_aux;
    NEXT(cpu, op);
}

/* RDPMC of a TD without PERFMON (TDX module specification, performance monitoring). */
const Op *op_rdpmc(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    cpu_raise(cpu, VEC_GP, 0);
}

/* ---- RDRAND and RDSEED: a generator of the xoshiro256 kind, seeded once by the kernel ---- */

static uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static uint64_t next_random(uint64_t s[4])
{
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

const Op *op_rdrand(Cpu *cpu, const Op *op)
{
    system_write_register(cpu, op->dst, op->size, next_random(cpu->core->random));
    cpu_set_rflags(cpu, (cpu_rflags(cpu) & ~(uint64_t)FLAG_ARITH) | FLAG_CF);
    NEXT(cpu, op);
}

/* ---- ports ---- */

/* SDM vol. 1, 19.5.2: above IOPL, each port of the access needs a clear bit in the TSS's map. */
static void check_port(Cpu *cpu, const Op *op, uint16_t port, unsigned size)
{
    uint16_t map, bits;
    if (cpu->cpl <= (cpu->rflags & FLAG_IOPL) >> 12) {
        return;
    }
    if (!(cpu->tr.access & 8) || cpu->tr.limit < 0x67) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    mmu_read_system(cpu, op, cpu->tr.base + 0x66, &map, sizeof(map));
    if ((uint32_t)map + port / 8 + 1 > cpu->tr.limit) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    mmu_read_system(cpu, op, cpu->tr.base + map + port / 8, &bits, sizeof(bits));
    if (bits >> port % 8 & ((1u << size) - 1)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

const Op *op_port_io(Cpu *cpu, const Op *op)
{
    uint16_t port = op->flags & IO_IMMEDIATE ? (uint16_t)op->imm : (uint16_t)cpu->regs[GPR_RDX];
    begin(cpu, op);
    check_port(cpu, op, port, op->size);
    cpu->world->io(cpu, port, op->size, op->flags & IO_WRITE, op->flags & IO_STRING,
                   op->flags & IO_REP, op->flags & IO_IMMEDIATE);
    cpu_unsupported(cpu, "port I/O without a TD");
}

/* ---- what the world answers ---- */

const Op *op_hlt(Cpu *cpu, const Op *op)
{
    require_cpl0(cpu, op);
    cpu_exit(cpu);
    cpu->world->hlt(cpu);
    cpu_enter(cpu);
    return block_leave(cpu, op);
}

/* Op.imm = VMX exit reason; Op.aux: privileged. */
const Op *op_exit_instruction(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    if (op->aux) {
        require_cpl0(cpu, op);
    }
    cpu->world->instruction(cpu, (uint32_t)op->imm);
    return block_leave(cpu, op);
}

const Op *op_tdcall(Cpu *cpu, const Op *op)
{
    require_cpl0(cpu, op);
    cpu_exit(cpu);
    cpu->world->tdcall(cpu);
    cpu_enter(cpu);
    return block_leave(cpu, op);
}

/* ---- MONITOR and MWAIT: native for a TD that has them; a wait may end at any time ---- */

const Op *op_monitor(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    if (cpu->cpl) {
        cpu_raise(cpu, VEC_UD, 0);
    }
    if ((uint32_t)cpu->regs[GPR_RCX]) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    mmu_probe(cpu, op, op_linear(cpu, op, 1, false), 1, CPU_READ);
    NEXT(cpu, op);
}

const Op *op_mwait(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    if (cpu->cpl) {
        cpu_raise(cpu, VEC_UD, 0);
    }
    if ((uint32_t)cpu->regs[GPR_RCX] & ~1u) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    cpu_rest(cpu);
    return block_leave(cpu, op);
}

/* ---- fences, caches, hints ---- */

const Op *op_fence(Cpu *cpu, const Op *op)
{
    atomic_thread_fence(memory_order_seq_cst);
    NEXT(cpu, op);
}

/* CLFLUSH, CLFLUSHOPT, CLWB: faults as a byte load does. */
const Op *op_cache_line(Cpu *cpu, const Op *op)
{
    mmu_probe(cpu, op, op_linear(cpu, op, 1, false), 1, CPU_READ);
    NEXT(cpu, op);
}

const Op *op_nothing(Cpu *cpu, const Op *op)
{
    NEXT(cpu, op);
}

/* The guest spins on something that may need the host processor to happen. */
const Op *op_pause(Cpu *cpu, const Op *op)
{
    cpu_spin(cpu);
    NEXT(cpu, op);
}

const Op *op_gp(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    cpu_raise(cpu, VEC_GP, 0);
}

/* SERIALIZE: as a block exit, where other processors' writes to code are seen. */
const Op *op_serialize(Cpu *cpu, const Op *op)
{
    atomic_thread_fence(memory_order_seq_cst);
    return block_leave(cpu, op);
}

/* UMWAIT, TPAUSE: the wait ends at once, not by the operating system's limit (CF = 0). */
const Op *op_umwait(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    if (CPU_REG(cpu, uint32_t, op->dst) & ~1u) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    cpu_set_rflags(cpu, cpu_rflags(cpu) & ~(uint64_t)FLAG_ARITH);
    cpu_spin(cpu);
    return block_leave(cpu, op);
}
