/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Completion of -smp and x2APIC ids. */
#include "target/i386/topology.h"

#include "util/error.h"

#define CPUS_MAX 4096u /* QEMU's q35 limit */

static unsigned or_one(unsigned n)
{
    return n ? n : 1;
}

static bool check_count(const char *name, unsigned n, GError **errp)
{
    if (n > CPUS_MAX) {
        return error_set(errp, "Invalid CPU topology: %s=%u is not permitted: 1 to %u is", name, n,
                         CPUS_MAX);
    }
    return true;
}

bool cpu_topology_complete(CpuTopology *t, GError **errp)
{
    const struct { const char *name; unsigned n; } counts[] = {
        { "cpus", t->cpus }, { "maxcpus", t->max_cpus }, { "sockets", t->sockets },
        { "dies", t->dies },
        { "modules", t->modules }, { "cores", t->cores }, { "threads", t->threads },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(counts); i++) {
        if (!check_count(counts[i].name, counts[i].n, errp)) {
            return false;
        }
    }
    t->dies = or_one(t->dies);
    t->modules = or_one(t->modules);
    unsigned wanted = t->max_cpus ? t->max_cpus : t->cpus;
    uint64_t middle = (uint64_t)t->dies * t->modules;
    if (!wanted) {
        t->sockets = or_one(t->sockets);
        t->cores = or_one(t->cores);
        t->threads = or_one(t->threads);
    } else if (!t->cores) { /* what is missing becomes cores first, sockets stay 1 */
        t->sockets = or_one(t->sockets);
        t->threads = or_one(t->threads);
        t->cores = or_one(wanted / (t->sockets * middle * t->threads));
    } else if (!t->sockets) {
        t->threads = or_one(t->threads);
        t->sockets = or_one(wanted / (middle * t->cores * t->threads));
    } else if (!t->threads) {
        t->threads = or_one(wanted / (t->sockets * middle * t->cores));
    }
    uint64_t product = 1;
    const unsigned levels[] = { t->sockets, t->dies, t->modules, t->cores, t->threads };
    for (unsigned i = 0; i < G_N_ELEMENTS(levels); i++) {
        product = MIN(product * levels[i], UINT32_MAX);
    }
    t->max_cpus = wanted ? wanted : (unsigned)product;
    t->cpus = t->cpus ? t->cpus : t->max_cpus;
    if (product != t->max_cpus) {
        return error_set(errp,
                         "Invalid CPU topology: product of the hierarchy must match maxcpus: "
                         "sockets (%u) * dies (%u) * modules (%u) * cores (%u) * threads (%u) != "
                         "maxcpus (%u)",
                         t->sockets, t->dies, t->modules, t->cores, t->threads, t->max_cpus);
    }
    if (t->cpus > t->max_cpus) {
        return error_set(errp,
                         "Invalid CPU topology: cpus=%u is not permitted: up to maxcpus (%u) is",
                         t->cpus, t->max_cpus);
    }
    return check_count("maxcpus", t->max_cpus, errp);
}

/* Bits that hold the values 0 .. count-1. */
static unsigned width(unsigned count)
{
    return count > 1 ? g_bit_storage(count - 1) : 0;
}

unsigned cpu_topology_shift_smt(const CpuTopology *t)
{
    return width(t->threads);
}

unsigned cpu_topology_shift_core(const CpuTopology *t)
{
    return cpu_topology_shift_smt(t) + width(t->cores);
}

unsigned cpu_topology_shift_module(const CpuTopology *t)
{
    return cpu_topology_shift_core(t) + width(t->modules);
}

unsigned cpu_topology_shift_die(const CpuTopology *t)
{
    return cpu_topology_shift_module(t) + width(t->dies);
}

uint32_t cpu_topology_apic_id(const CpuTopology *t, unsigned i)
{
    unsigned thread = i % t->threads;
    i /= t->threads;
    unsigned core = i % t->cores;
    i /= t->cores;
    unsigned module = i % t->modules;
    i /= t->modules;
    unsigned die = i % t->dies;
    unsigned socket = i / t->dies;

    return socket << cpu_topology_shift_die(t) | die << cpu_topology_shift_module(t) |
           module << cpu_topology_shift_core(t) | core << cpu_topology_shift_smt(t) | thread;
}
