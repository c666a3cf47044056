/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a test image made for bare virtual machines on the executing core. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <glib.h>

#include "bare.h"
#include "swtdx/host/module/module.h"

static const char usage[] =
    "swtdx-bare [OPTION...] IMAGE [ARGUMENT...]\n"
    "Runs a 32-bit multiboot ELF image, as kvm-unit-tests' x86/*.flat, on swtdx's executing core, "
    "without a TDX module.\n"
    "  --cpus N           processors, 1 to 8\n"
    "  --memory MIB       RAM\n"
    "  --phys-bits N      width of physical addresses\n"
    "  --without FEATURE  CPUID bit that the processor lacks (x2apic, pcid, la57, ...); may be "
    "repeated\n"
    "  --no-jit           interpret only\n"
    "Exit status: the image's; 125 when it could not go on; 126 for wrong usage.";

void bare_stop(Bare *m, int status)
{
    pthread_mutex_lock(&m->lock);
    if (!m->stop) {
        m->stop = true;
        m->status = status;
    }
    for (unsigned i = 0; i < m->num_cpus; i++) {
        cpu_request(m->cpus[i].cpu, CPU_PENDING_EXIT);
    }
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

void bare_fail(BareCpu *c, const char *why)
{
    const Cpu *cpu = c->cpu;
    fflush(stdout);
    fprintf(stderr,
            "swtdx-bare: processor %u: %s; RIP %016" PRIx64 " CS %04x RSP %016" PRIx64
            " CR0 %08" PRIx64 " CR2 %016" PRIx64 " CR3 %" PRIx64 " CR4 %" PRIx64 " EFER %" PRIx64
            "\n",
            c->index, why, cpu->rip, cpu->seg[SEG_CS].selector, cpu->regs[GPR_RSP], cpu->cr0,
            cpu->cr2, cpu->cr3, cpu->cr4, cpu->efer);
    bare_stop(c->m, BARE_STATUS_STOPPED);
}

static bool may_wake(const BareCpu *c)
{
    return c->nmi || ((c->cpu->rflags & FLAG_IF) && lapic_pending(&c->lapic) >= 0);
}

/* Until the processor is to execute; false: the machine stops. */
static bool wait_for_work(BareCpu *c)
{
    Bare *m = c->m;
    bool runs;
    pthread_mutex_lock(&m->lock);
    while (!m->stop) {
        if (c->init) {
            c->init = false;
            c->activity = c->index == 0 ? ACTIVITY_OFF : ACTIVITY_WAIT_FOR_SIPI;
        }
        if (c->activity == ACTIVITY_WAIT_FOR_SIPI && c->sipi) {
            c->sipi = false;
            if (!bare_start_up(c, c->sipi_vector)) {
                pthread_mutex_unlock(&m->lock);
                bare_fail(c, "start-up IPI to code in real-address mode that is not known");
                return false;
            }
            c->activity = ACTIVITY_RUNS;
        }
        if (c->activity == ACTIVITY_HALTED && may_wake(c)) {
            c->activity = ACTIVITY_RUNS;
        }
        if (c->activity == ACTIVITY_RUNS) {
            break;
        }
        if (c->activity == ACTIVITY_OFF && c->index == 0) {
            pthread_mutex_unlock(&m->lock);
            bare_fail(c, "INIT, from which only firmware could go on");
            return false;
        }
        pthread_cond_wait(&m->changed, &m->lock);
    }
    c->nmi = false;
    runs = !m->stop;
    pthread_mutex_unlock(&m->lock);
    return runs;
}

static void take_exit(BareCpu *c)
{
    switch (c->exit) {
    case BARE_EXIT_HALT:
        pthread_mutex_lock(&c->m->lock);
        c->activity = ACTIVITY_HALTED;
        pthread_mutex_unlock(&c->m->lock);
        break;
    case BARE_EXIT_APIC_PAGE:
        if (!bare_apic_access(c)) {
            bare_fail(c, "an instruction that the APIC's page is not accessed with");
        }
        break;
    default:
        break;
    }
    c->exit = BARE_EXIT_DONE;
}

static void *cpu_thread(void *opaque)
{
    BareCpu *c = opaque;
    while (wait_for_work(c)) {
        switch (cpu_run(c->cpu)) {
        case CPU_EXIT_WORLD:
            take_exit(c);
            break;
        case CPU_EXIT_TRIPLE_FAULT:
            bare_fail(c, "triple fault");
            break;
        case CPU_EXIT_UNSUPPORTED:
            bare_fail(c, c->cpu->unsupported);
            break;
        default:
            break;
        }
    }
    return NULL;
}

static void add_cpu(Bare *m, unsigned index, unsigned phys_bits)
{
    BareCpu *c = &m->cpus[index];
    c->m = m;
    c->index = index;
    c->cpu = cpu_new(m->group, &bare_world, c);
    if (!c->cpu) {
        g_error("no memory for a processor");
    }
    c->cpu->phys_bits = (uint8_t)phys_bits;
    c->cpu->gb_pages = true;
    c->cpu->la57 = bare_has_feature(c->cpu, 0x7 << 12 | 2 << 5 | 16);
    c->cpu->xcr0_mask = m->xfam & XFAM_USER;
    c->cpu->xss_mask = m->xfam & XFAM_SUPERVISOR;
    c->apic_base = BARE_APIC_PAGE | 1u << 11 | (index == 0 ? 1u << 8 : 0);
    c->misc_enable = 1;
    c->activity = ACTIVITY_WAIT_FOR_SIPI;
    pthread_mutex_init(&c->lapic.timer_lock, NULL);
    bare_apic_reset(c);
    bare_reset_cpu(c);
}

static void make_machine(Bare *m, unsigned phys_bits, bool jit)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&m->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&m->lock, NULL);
    m->profile = *profile_builtin();
    /* all that the core has, whichever kernel passes it on */
    m->profile.kvm_xcr0 = m->profile.xcr0;
    m->profile.kvm_xss = m->profile.xss;
    profile_narrow(&m->profile, NULL, 0);
    m->xfam = profile_executable_xfam(&m->profile) | 3;
    m->start_ns = bare_now_ns(m);
    memset(m->nowhere, 0xff, sizeof(m->nowhere));
    m->ram = mmap(NULL, m->ram_size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m->ram == MAP_FAILED) {
        g_error("no address space for %" PRIu64 " MiB of RAM", m->ram_size >> 20);
    }
    m->group = cpu_group_new(m->num_cpus, jit ? CPU_JIT_HEAT : 0);
    for (unsigned i = 0; i < m->num_cpus; i++) {
        add_cpu(m, i, phys_bits);
    }
}

static void run_machine(Bare *m)
{
    pthread_t timers;
    pthread_create(&timers, NULL, bare_timer_thread, m);
    for (unsigned i = 0; i < m->num_cpus; i++) {
        pthread_create(&m->cpus[i].thread, NULL, cpu_thread, &m->cpus[i]);
    }
    for (unsigned i = 0; i < m->num_cpus; i++) {
        pthread_join(m->cpus[i].thread, NULL);
    }
    pthread_join(timers, NULL);
    fflush(stdout);
}

static void free_machine(Bare *m)
{
    for (unsigned i = 0; i < m->num_cpus; i++) {
        cpu_free(m->cpus[i].cpu);
        pthread_mutex_destroy(&m->cpus[i].lapic.timer_lock);
    }
    cpu_group_free(m->group);
    munmap(m->ram, m->ram_size);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
}

static int wrong_usage(const char *why)
{
    fprintf(stderr, "swtdx-bare: %s\n%s\n", why, usage);
    return BARE_STATUS_USAGE;
}

int main(int argc, char **argv)
{
    g_autofree Bare *m = g_new0(Bare, 1);
    g_autofree char *arguments = NULL;
    g_auto(GStrv) without = NULL;
    g_autoptr(GError) error = NULL;
    int cpus = 1, memory = 512, phys_bits = 46, status;
    gboolean no_jit = FALSE;
    const GOptionEntry entries[] = {
        { "cpus", 0, 0, G_OPTION_ARG_INT, &cpus, NULL, NULL },
        { "memory", 0, 0, G_OPTION_ARG_INT, &memory, NULL, NULL },
        { "phys-bits", 0, 0, G_OPTION_ARG_INT, &phys_bits, NULL, NULL },
        { "without", 0, 0, G_OPTION_ARG_STRING_ARRAY, &without, NULL, NULL },
        { "no-jit", 0, 0, G_OPTION_ARG_NONE, &no_jit, NULL, NULL },
        { 0 },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_add_main_entries(context, entries, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_strict_posix(context, TRUE);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        return wrong_usage(error->message);
    }
    if (argc < 2 || cpus < 1 || cpus > BARE_MAX_CPUS || memory < 16 || memory > 1 << 20 ||
        phys_bits < 36 || phys_bits > 52) {
        return wrong_usage(argc < 2 ? "which image?" : "a number is out of range");
    }
    for (unsigned i = 0; without && without[i]; i++) {
        if (!bare_without(m, without[i])) {
            return wrong_usage("--without: no such feature");
        }
    }
    arguments = g_strjoinv(" ", argv + 2);
    m->num_cpus = (unsigned)cpus;
    m->ram_size = (uint64_t)memory << 20;
    make_machine(m, (unsigned)phys_bits, !no_jit);
    status = BARE_STATUS_STOPPED;
    if (bare_load(m, argv[1], arguments)) {
        run_machine(m);
        status = m->status;
    }
    free_machine(m);
    return status;
}
