/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core and the local APIC as the module's tests need them. */
#include <string.h>

#include "../../../swtdx/host/cpu/block.h"
#include "../../../swtdx/host/cpu/mmu.h"
#include "fixture.h"

CpuExit (*fixture_run)(Cpu *cpu);
static unsigned flushes;

unsigned fixture_flushes(void)
{
    return flushes;
}

struct CpuGroup {
    int unused;
};

CpuGroup *cpu_group_new(unsigned max_cpus, unsigned jit_heat)
{
    return g_new0(CpuGroup, 1);
}

void cpu_group_determine(CpuGroup *group)
{
}

int cpu_group_jit_error(const CpuGroup *group)
{
    return 0;
}

void cpu_group_free(CpuGroup *group)
{
    g_free(group);
}

Cpu *cpu_new(CpuGroup *group, const CpuWorld *world, void *world_data)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, sizeof(Cpu))) {
        return NULL;
    }
    Cpu *cpu = memory;
    memset(cpu, 0, sizeof(*cpu));
    cpu->group = group;
    cpu->world = world;
    cpu->world_data = world_data;
    return cpu;
}

void cpu_free(Cpu *cpu)
{
    free(cpu);
}

CpuExit cpu_run(Cpu *cpu)
{
    return fixture_run(cpu);
}

void cpu_update_mode(Cpu *cpu)
{
}

uint64_t cpu_rflags(Cpu *cpu)
{
    return cpu->rflags;
}

void cpu_set_rflags(Cpu *cpu, uint64_t rflags)
{
    cpu->rflags = rflags;
}

void cpu_group_flush(CpuGroup *group, Cpu *self, uint64_t gpa, uint64_t size)
{
    flushes++;
}

bool code_page_test(CpuGroup *group, uint64_t gpa)
{
    return false;
}

void code_page_write(Cpu *cpu, uint64_t gpa)
{
}

void code_page_discard(CpuGroup *group, uint64_t gpa, uint64_t size)
{
}

bool mmu_peek(Cpu *cpu, uint64_t linear, uint64_t *gpa)
{
    *gpa = linear;
    return linear < UINT64_C(1) << 47;
}

_Noreturn void cpu_raise(Cpu *cpu, uint8_t vector, uint32_t error)
{
    cpu->raise_vector = vector;
    cpu->raise_error = error;
    longjmp(cpu->escape, 1 + RAISED);
}

_Noreturn void cpu_raise_trap(Cpu *cpu, uint8_t vector, bool software)
{
    cpu->raise_soft = software;
    cpu_raise(cpu, vector, 0);
}

_Noreturn void cpu_leave(Cpu *cpu, CpuExit exit, bool retire)
{
    cpu->exit = exit;
    longjmp(cpu->escape, 1 + (retire ? LEFT_RETIRED : LEFT));
}

_Noreturn void cpu_unsupported(Cpu *cpu, const char *what)
{
    g_strlcpy(cpu->unsupported, what, sizeof(cpu->unsupported));
    longjmp(cpu->escape, 1 + UNSUPPORTED);
}

bool lapic_read(Lapic *lapic, uint32_t index, uint64_t *value)
{
    *value = index;
    return index == 0x808;
}

bool lapic_write(Lapic *lapic, uint32_t index, uint64_t value)
{
    lapic->tpr = (uint32_t)value;
    return index == 0x808 || index == 0x80b || index == 0x83f;
}

int lapic_accept(Lapic *lapic)
{
    return -1;
}

static uint8_t *shared_page(void *opaque, uint64_t gpa, bool *writable)
{
    Fixture *f = opaque;
    if (gpa == 0x2000) {
        return TD_SHARED_EXIT;
    }
    *writable = f->shared_writable;
    return gpa == 0x1000 ? f->shared : NULL;
}

static uint64_t now_ns(void *opaque)
{
    Fixture *f = opaque;
    return f->now_ns;
}

void fixture_params(const Profile *profile, TdParams *params)
{
    TdxSysInfo info;
    tdx_sys_info(profile, &info);
    const CpuidTable *table = module_cpuid_table(profile);
    memset(params, 0, sizeof(*params));
    params->attributes = TD_ATTR_SEPT_VE_DISABLE;
    params->xfam = 0x2e7;
    params->eptp_controls = 0x1e;
    params->config_flags = TD_FLAG_NO_RBP_MOD;
    params->max_vcpus = 4;
    params->tsc_frequency = 40;
    for (unsigned i = 0; i < table->num_rows; i++) {
        int c = table->rows[i].config;
        for (unsigned r = 0; c >= 0 && r < 4; r++) {
            params->cpuid_config[c][r] = info.cpuid_config[c].mask[r] & ~table->rows[i].direct[r];
        }
    }
}

void fixture_prepare(Fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->profile = *profile_builtin();
    f->profile.vmcall_rbp_refused = 1; /* as real modules */
    f->profile.max_vcpus_told = 1;
    fixture_params(&f->profile, &f->params);
    f->now_ns = 1000000;
    f->shared_writable = true;
}

void fixture_module(Fixture *f, uint32_t major, uint32_t minor, uint32_t update)
{
    f->profile.module_major = major;
    f->profile.module_minor = minor;
    f->profile.module_update = update;
    fixture_params(&f->profile, &f->params);
}

void fixture_open(Fixture *f)
{
    static const TdPort port = {shared_page, now_ns};
    f->shared = g_malloc0(4096);
    f->td = td_new(&f->profile, &port, f);
    g_assert_nonnull(f->td);
    g_assert_cmphex(td_init(f->td, &f->params, NULL), ==, 0);
    f->vcpu = td_vcpu_new(f->td, &f->lapic, f);
    g_assert_nonnull(f->vcpu);
    g_assert_cmphex(td_vp_init(f->vcpu, 7, 0x809000), ==, 0);
    f->cpu = td_vcpu_cpu(f->vcpu);
    f->cpu->mode = CPU_MODE_CS64 | CPU_MODE_LONG;
}

void fixture_finalize(Fixture *f)
{
    g_assert_cmphex(td_mr_finalize(f->td), ==, 0);
}

void fixture_close(Fixture *f)
{
    td_vcpu_free(f->vcpu);
    td_free(f->td);
    g_free(f->shared);
}

Outcome fixture_try(Cpu *cpu, void (*fn)(Cpu *cpu, void *arg), void *arg)
{
    int code = setjmp(cpu->escape);
    if (code) {
        return (Outcome)(code - 1);
    }
    fn(cpu, arg);
    return RETURNED;
}

static void do_tdcall(Cpu *cpu, void *arg)
{
    cpu->world->tdcall(cpu);
}

Outcome fixture_tdcall(Fixture *f, uint64_t rax)
{
    f->cpu->regs[GPR_RAX] = rax;
    return fixture_try(f->cpu, do_tdcall, NULL);
}

uint64_t fixture_vm_wr(Fixture *f, uint64_t field, uint64_t value, uint64_t mask)
{
    f->cpu->regs[GPR_RCX] = 0;
    f->cpu->regs[GPR_RDX] = field;
    f->cpu->regs[GPR_R8] = value;
    f->cpu->regs[GPR_R9] = mask;
    g_assert_cmpint(fixture_tdcall(f, 8), ==, RETURNED);
    return f->cpu->regs[GPR_RAX];
}
