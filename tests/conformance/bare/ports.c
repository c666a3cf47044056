/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports: a serial port that sends to standard output, fw_cfg's selector and data (number of
 * processors, size of RAM), and those of the test device of kvm-unit-tests (README and x86
 * sources): exit at F4h, four bytes to be read back at E0h.
 */
#include <stdio.h>

#include "bare.h"
#include "swtdx/host/cpu/mmu.h"

enum { PORT_DATA = 0xe0, PORT_EXIT = 0xf4, PORT_SERIAL = 0x3f8, PORT_FW_CFG = 0x510,
       PORT_FW_CFG_DATA = 0x511 };
enum { FW_CFG_RAM_SIZE = 3, FW_CFG_NB_CPUS = 5 };
#define EXIT_SKIPPED (BARE_STATUS_SKIPPED >> 1) /* so that with QEMU's 2 n + 1 it is 77 */
#define LSR_EMPTY 0x60u /* transmitter empty */

static void select_fw_cfg(Bare *m, uint16_t key)
{
    uint64_t value = key == FW_CFG_RAM_SIZE ? m->ram_size : key == FW_CFG_NB_CPUS ? m->num_cpus : 0;
    memcpy(m->fw_cfg, &value, sizeof(value));
    m->fw_cfg_at = 0;
}

static uint8_t read_byte(Bare *m, uint16_t port)
{
    if (port >= PORT_DATA && port < PORT_DATA + sizeof(m->port_data)) {
        return m->port_data[port - PORT_DATA];
    }
    switch (port) {
    case PORT_SERIAL + 5:
        return LSR_EMPTY;
    case PORT_SERIAL + 3:
        return 0;
    case PORT_FW_CFG_DATA:
        return m->fw_cfg_at < sizeof(m->fw_cfg) ? m->fw_cfg[m->fw_cfg_at++] : 0;
    default:
        return 0xff;
    }
}

static void write_byte(Bare *m, uint16_t port, uint8_t value)
{
    if (port >= PORT_DATA && port < PORT_DATA + sizeof(m->port_data)) {
        m->port_data[port - PORT_DATA] = value;
    } else if (port == PORT_SERIAL && value != '\r' &&
               (value >= ' ' || value == '\n' || value == '\t')) {
        putchar(value); /* the divisor's low byte, 01h, is no text */
    }
}

static uint32_t read_port(Bare *m, uint16_t port, unsigned size)
{
    uint32_t value = 0;
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < size; i++) {
        value |= (uint32_t)read_byte(m, (uint16_t)(port + i)) << 8 * i;
    }
    pthread_mutex_unlock(&m->lock);
    return value;
}

/* True: the image has ended. */
static bool write_port(Bare *m, uint16_t port, unsigned size, uint32_t value)
{
    if (port == PORT_EXIT) {
        bare_stop(m, value == EXIT_SKIPPED ? BARE_STATUS_SKIPPED : (int)(value & 0x7f));
        return true;
    }
    pthread_mutex_lock(&m->lock);
    if (port == PORT_FW_CFG) {
        select_fw_cfg(m, (uint16_t)value);
    } else {
        for (unsigned i = 0; i < size; i++) {
            write_byte(m, (uint16_t)(port + i), (uint8_t)(value >> 8 * i));
        }
    }
    pthread_mutex_unlock(&m->lock);
    return false;
}

static void advance(Cpu *cpu, unsigned gpr, unsigned address_size, int64_t by)
{
    uint64_t mask = address_size == 8 ? UINT64_MAX : address_size == 4 ? 0xffffffff : 0xffff;
    uint64_t old = cpu->regs[gpr], next = (old + (uint64_t)by) & mask;
    cpu->regs[gpr] = address_size == 2 ? (old & ~mask) | next : next;
}

static uint64_t string_linear(Cpu *cpu, const Op *op, unsigned seg, unsigned gpr, unsigned size,
                              bool write)
{
    uint64_t ea = cpu->regs[gpr] & (op->addr_size == 8   ? UINT64_MAX
                                    : op->addr_size == 4 ? 0xffffffff
                                                         : 0xffff);
    if (cpu->mode & CPU_MODE_CS64) {
        return ea + (seg >= SEG_FS ? cpu->seg[seg].base : 0);
    }
    return segment_linear_slow(cpu, op, seg, ea, size, write);
}

/* One element; true: the instruction is done. SDM vol. 2, INS and OUTS. */
static bool string_io(Cpu *cpu, const Op *op, uint16_t port, unsigned size, bool write, bool rep)
{
    Bare *m = bare_cpu(cpu)->m;
    uint64_t mask = op->addr_size == 8 ? UINT64_MAX : op->addr_size == 4 ? 0xffffffff : 0xffff;
    int64_t step = cpu->rflags & FLAG_DF ? -(int64_t)size : (int64_t)size;
    uint32_t value = 0;
    if (rep && !(cpu->regs[GPR_RCX] & mask)) {
        return true;
    }
    if (write) {
        mmu_read(cpu, op, string_linear(cpu, op, op->seg, GPR_RSI, size, false), &value, size);
        if (write_port(m, port, size, value)) {
            return true;
        }
    } else {
        uint64_t linear = string_linear(cpu, op, SEG_ES, GPR_RDI, size, true);
        mmu_probe(cpu, op, linear, size, CPU_WRITE);
        value = read_port(m, port, size);
        mmu_write(cpu, op, linear, &value, size);
    }
    advance(cpu, write ? GPR_RSI : GPR_RDI, op->addr_size, step);
    if (rep) {
        advance(cpu, GPR_RCX, op->addr_size, -1);
    }
    return !rep || !(cpu->regs[GPR_RCX] & mask);
}

static void to_accumulator(Cpu *cpu, uint32_t value, unsigned size)
{
    if (size == 4) {
        cpu->regs[GPR_RAX] = value;
    } else {
        memcpy(&cpu->regs[GPR_RAX], &value, size);
    }
}

void bare_io(Cpu *cpu, uint16_t port, unsigned size, bool write, bool string, bool rep,
             bool immediate)
{
    BareCpu *c = bare_cpu(cpu);
    bool done = true;
    (void)immediate;
    c->exit = BARE_EXIT_DONE;
    if (string) {
        done = string_io(cpu, cpu->op, port, size, write, rep);
    } else if (write) {
        uint32_t mask = size == 4 ? UINT32_MAX : (1u << 8 * size) - 1;
        write_port(c->m, port, size, (uint32_t)cpu->regs[GPR_RAX] & mask);
    } else {
        to_accumulator(cpu, read_port(c->m, port, size), size);
    }
    cpu_leave(cpu, CPU_EXIT_WORLD, done);
}
