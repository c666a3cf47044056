/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM_MEMORY_ENCRYPT_OP: the envelope and the commands of a TD's life; every check in the kernel's
 * order (kvm-tdx ABI, part 3). Memory commands: tdx-memory.c.
 */
#include <stdlib.h>
#include <string.h>

#include "../module/status.h"
#include "host.h"
#include "tdx-ops.h"

#define ATTR_SEPT_VE_DISABLE (UINT64_C(1) << 28)
#define CONFIG_FLAG_GPAW 1u
#define CONFIG_FLAG_NO_RBP_MOD 4u

/* ---- configurable CPUID as KVM shows it ---- */

/*
 * Bits of CPUID that stand or fall with an xstate component the executing core may lack (SDM vol.
 * 1, 13.1; vol. 2A, CPUID).
 */
typedef struct XfamBits {
    uint64_t xfam;
    uint32_t leaf, subleaf, reg, bits;
} XfamBits;

static const XfamBits xfam_bits[] = {
    { 0x4, 1, 0, 2, 0x10001000 },          /* AVX: FMA, AVX */
    { 0x4, 7, 0, 1, 1u << 5 },             /* AVX2 */
    { 0x4, 7, 0, 2, 0x00000600 },          /* VAES, VPCLMULQDQ */
    { 0x4, 7, 1, 0, 0x00800010 },          /* AVX-IFMA, AVX-VNNI */
    { 0x4, 7, 1, 3, 0x00000430 },          /* AVX-VNNI-INT8, NE-CONVERT, VNNI-INT16 */
    { 0xe0, 7, 0, 1, 0xdc230000 },         /* AVX-512 F DQ IFMA PF ER CD BW VL */
    { 0xe0, 7, 0, 2, 0x00005842 },         /* VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ */
    { 0xe0, 7, 0, 3, 0x0080010c },         /* 4VNNIW, 4FMAPS, VP2INTERSECT, FP16 */
    { 0xe0, 7, 1, 0, 1u << 5 },            /* AVX512-BF16 */
    { 0x200, 7, 0, 2, 1u << 3 },           /* PKU */
    { 0x60000, 7, 0, 3, 0x03400000 },      /* AMX BF16, TILE, INT8 */
    { 0x60000, 7, 1, 0, 1u << 21 },        /* AMX-FP16 */
    { 0x60000, 7, 1, 3, 1u << 8 },         /* AMX-COMPLEX */
};

static void shown_mask(const Profile *profile, const TdxSysInfo *info, uint32_t i, uint32_t mask[4])
{
    uint32_t leaf = info->cpuid_config[i].leaf,
             subleaf = info->cpuid_config[i].has_subleaf ? info->cpuid_config[i].subleaf : 0;
    uint64_t xfam = tdx_supported_xfam(profile, info);
    memcpy(mask, info->cpuid_config[i].mask, 4 * sizeof(*mask));
    if (leaf == 0x80000008) {
        mask[0] = (mask[0] & ~0x00ff0000u) | 0x00ff0000u; /* the way to choose GPAW */
    }
    if (leaf == 7 && subleaf == 0) {
        mask[1] &= ~(1u << 4 | 1u << 11); /* HLE, RTM */
        mask[2] &= ~(1u << 5);            /* WAITPKG */
    }
    for (size_t k = 0; k < sizeof(xfam_bits) / sizeof(*xfam_bits); k++) {
        const XfamBits *x = &xfam_bits[k];
        if (x->leaf == leaf && x->subleaf == subleaf && (xfam & x->xfam) != x->xfam) {
            mask[x->reg] &= ~x->bits;
        }
    }
}

uint64_t tdx_supported_xfam(const Profile *profile, const TdxSysInfo *info)
{
    return (profile->kvm_xcr0 | profile->kvm_xss) & info->xfam_fixed0 &
           profile_executable_xfam(profile);
}

static uint64_t supported_attributes(const TdxSysInfo *info)
{
    return ATTR_SEPT_VE_DISABLE & info->attributes_fixed0;
}

static int op_capabilities(Vm *vm, AbiTdxCmd *cmd)
{
    const Profile *profile = vm->host->profile;
    AbiCpuidHeader header;
    TdxSysInfo info;
    if (cmd->flags) {
        return -EINVAL;
    }
    if (user_read(&header, cmd->data + offsetof(AbiTdxCapabilities, cpuid), sizeof(header)) < 0) {
        return -EFAULT;
    }
    tdx_sys_info(profile, &info);
    if (header.nent < info.num_cpuid_config) {
        return -E2BIG;
    }
    AbiTdxCapabilities *caps = calloc(1, sizeof(*caps) +
                                             info.num_cpuid_config * sizeof(AbiCpuidEntry));
    if (!caps) {
        return -ENOMEM;
    }
    caps->supported_attrs = supported_attributes(&info);
    caps->supported_xfam = tdx_supported_xfam(profile, &info);
    caps->user_tdvmcallinfo_1_r11 = 2; /* SetupEventNotifyInterrupt */
    caps->cpuid.nent = info.num_cpuid_config;
    AbiCpuidEntry *entries = (AbiCpuidEntry *)(caps + 1);
    for (uint32_t i = 0; i < info.num_cpuid_config; i++) {
        uint32_t mask[4];
        shown_mask(profile, &info, i, mask);
        entries[i].function = info.cpuid_config[i].leaf;
        entries[i].index = info.cpuid_config[i].has_subleaf ? info.cpuid_config[i].subleaf : 0;
        entries[i].eax = mask[0];
        entries[i].ebx = mask[1];
        entries[i].ecx = mask[2];
        entries[i].edx = mask[3];
    }
    int r = user_write(cmd->data, caps,
                       sizeof(*caps) + info.num_cpuid_config * sizeof(AbiCpuidEntry));
    free(caps);
    return r;
}

/* ---- INIT_VM ---- */

static bool unsupported_entry(const AbiCpuidEntry *e)
{
    return e->function == 7 && e->index == 0 &&
           ((e->ebx & (1u << 4 | 1u << 11)) || (e->ecx & 1u << 5));
}

/* Rule 7: GPAW and the EPT level out of leaf 0x80000008. */
static int choose_gpaw(Vm *vm, const AbiCpuidEntry *entries, uint32_t n, TdParams *params,
                       uint32_t *gpaw)
{
    const AbiCpuidEntry *e = cpuid_find(entries, n, 0x80000008, 0);
    *gpaw = e ? (e->eax >> 16) & 0xff : 0;
    if ((*gpaw != 48 && *gpaw != 52) || (*gpaw == 52 && !vm->host->profile->ept5)) {
        return -EINVAL;
    }
    params->eptp_controls = *gpaw == 52 ? 0x26 : 0x1e; /* write-back, walk of 5 or 4 levels */
    params->config_flags = CONFIG_FLAG_NO_RBP_MOD | (*gpaw == 52 ? CONFIG_FLAG_GPAW : 0);
    return 0;
}

/*
 * Rules 8 and 9. *foreign: a bit that this host took out of the configurable ones, which the module
 * must not be asked for.
 */
static int fill_cpuid(Vm *vm, const TdxSysInfo *info, const AbiCpuidEntry *entries, uint32_t n,
                      TdParams *params, bool *foreign)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < info->num_cpuid_config; i++) {
        uint32_t index = info->cpuid_config[i].has_subleaf ? info->cpuid_config[i].subleaf : 0,
                 mask[4];
        const AbiCpuidEntry *e = cpuid_find(entries, n, info->cpuid_config[i].leaf, index);
        if (!e) {
            continue;
        }
        if (unsupported_entry(e)) {
            return -EINVAL;
        }
        used++;
        uint32_t *value = params->cpuid_config[i];
        value[0] = e->eax;
        value[1] = e->ebx;
        value[2] = e->ecx;
        value[3] = e->edx;
        if (e->function == 0x80000008) {
            value[0] &= ~0x00ff0000u;
        }
        shown_mask(vm->host->profile, info, i, mask);
        for (int r = 0; r < 4; r++) {
            *foreign |= (value[r] & info->cpuid_config[i].mask[r] & ~mask[r]) != 0;
        }
    }
    return used == n ? 0 : -EINVAL;
}

/* A KeyID and a charge to the misc cgroup. */
static int take_keyid(Vm *vm)
{
    KvmHost *host = vm->host;
    file_reap(host); /* a TD closed a moment ago has given its KeyID back */
    pthread_mutex_lock(&host->lock);
    int r = keyid_take(host);
    vm->keyid = r < 0 ? -1 : r;
    pthread_mutex_unlock(&host->lock);
    return r < 0 ? r : 0;
}

static void return_keyid(Vm *vm)
{
    pthread_mutex_lock(&vm->host->lock);
    keyid_return(vm->host, vm->keyid);
    vm->keyid = -1;
    pthread_mutex_unlock(&vm->host->lock);
}

static uint64_t port_now_ns(void *opaque)
{
    return vm_now_ns(opaque);
}

static void tell_interpreting(Vm *vm, const Td *td)
{
    int error = td_host_code_error(td);
    if (error && !atomic_exchange(&vm->host->interpreting_told, true)) {
        host_message(vm->host,
                     "no executable memory here (%s): guests are interpreted, which is slower; "
                     "allow memfd_create and mmap with PROT_EXEC, or choose --interpret",
                     strerror(error));
    }
}

/* TDH.MNG.CREATE, and what the options say of the TD. */
static Td *make_td(Vm *vm)
{
    static const TdPort port = { .shared_page = memslot_shared_page, .now_ns = port_now_ns };
    Td *td = td_new(vm->host->profile, &port, vm);
    if (td) {
        observe_td(vm, td);
    }
    if (td && vm->host->options.deterministic) {
        td_determine(td);
    }
    if (td && vm->host->options.interpret) {
        td_interpret(td);
    }
    return td;
}

/*
 * SEAMCALL part of INIT_VM: rules 15 and 16. Other threads' conversions and hole punches meet the
 * TD only when it is one.
 */
static int module_init(Vm *vm, const TdParams *params, bool foreign, AbiTdxCmd *cmd)
{
    uint64_t detail = 0;
    Td *td = make_td(vm);
    if (!td) {
        return -ENOMEM;
    }
    TdxStatus status = foreign ? TDX_OPERAND_INVALID | TDX_OPERAND_CPUID_CONFIG
                               : td_init(td, params, &detail);
    if (!status) {
        tell_interpreting(vm, td);
        pthread_mutex_lock(&vm->slots_lock);
        vm->td = td;
        pthread_mutex_unlock(&vm->slots_lock);
        return 0;
    }
    td_free(td);
    if ((status & UINT64_C(0xffffffff00000000)) == TDX_OPERAND_BUSY) {
        host_message(vm->host, "KVM_TDX_INIT_VM: no memory, or no addresses, for the tables of a "
                               "TD: raise the limits of the process (ulimit -v, ulimit -d)");
        return -ENOMEM; /* of this process, not the module's word: the VM lives on */
    }
    TRACE(vm->host, "seamcall", T_S("name", "TDH.MNG.INIT"), T_X("status", status),
          T_X("rcx", detail));
    if ((status & UINT64_C(0xffffffff00000000)) == TDX_OPERAND_INVALID) {
        cmd->hw_error = status;
        return -EINVAL;
    }
    if (host_kernel_at_least(vm->host, 6, 19)) {
        vm_kill(vm);
    }
    return -EIO;
}

static void tell_missing(KvmHost *host)
{
    const char *missing = host->options.missing;
    if (missing && missing[0] && !atomic_exchange(&host->missing_told, true)) {
        host_message(host, "this machine cannot execute %s of profile %s: not offered to TDs",
                     missing, host->profile->name);
    }
}

/* INIT_VM from its copied arguments. Vm.lock is held. */
static int init_vm(Vm *vm, const AbiTdxInitVm *init, const AbiCpuidEntry *entries, AbiTdxCmd *cmd)
{
    const Profile *profile = vm->host->profile;
    TdxSysInfo info;
    TdParams params = { 0 };
    bool foreign = false;
    uint32_t gpaw;
    tdx_sys_info(profile, &info);
    if (atomic_load(&vm->num_vcpus)) {
        return -EBUSY;
    }
    if ((init->attributes & ~supported_attributes(&info)) ||
        (init->xfam & ~tdx_supported_xfam(profile, &info))) {
        return -EINVAL;
    }
    params.max_vcpus = (uint16_t)vm->max_vcpus;
    params.attributes = init->attributes | info.attributes_fixed1;
    params.xfam = init->xfam | info.xfam_fixed1;
    params.tsc_frequency = (uint16_t)(vm->tsc_khz / 25000);
    int r = choose_gpaw(vm, entries, init->cpuid.nent, &params, &gpaw);
    if (!r) {
        r = fill_cpuid(vm, &info, entries, init->cpuid.nent, &params, &foreign);
    }
    if (r) {
        return r;
    }
    memcpy(params.mrconfigid, init->mrconfigid, 48);
    memcpy(params.mrowner, init->mrowner, 48);
    memcpy(params.mrownerconfig, init->mrownerconfig, 48);
    r = take_keyid(vm);
    if (r) {
        return r;
    }
    uint64_t status = 0;
    r = fault_due(vm->host, "TDH_MNG_INIT", &status);
    if (!r) {
        r = module_init(vm, &params, foreign, cmd);
    } else if (status) {
        cmd->hw_error = status;
    }
    if (r) {
        return_keyid(vm);
        return r;
    }
    vm->gpaw = gpaw;
    vm->state = TD_INIT;
    tell_missing(vm->host);
    record_td(vm, &params);
    return 0;
}

static int op_init_vm(Vm *vm, AbiTdxCmd *cmd)
{
    AbiTdxInitVm init;
    if (vm->state != TD_UNINIT || cmd->flags) {
        return -EINVAL;
    }
    if (user_read(&init, cmd->data, sizeof(init)) < 0) {
        return -EFAULT;
    }
    if (init.cpuid.nent > ABI_MAX_CPUID_ENTRIES) {
        return -E2BIG;
    }
    AbiCpuidEntry *entries = calloc(init.cpuid.nent + 1, sizeof(*entries));
    if (!entries) {
        return -ENOMEM;
    }
    int r = 0;
    if (user_read(entries, cmd->data + sizeof(init), init.cpuid.nent * sizeof(*entries)) < 0) {
        r = -EFAULT;
    }
    for (size_t i = 0; i < sizeof(init.reserved) / sizeof(*init.reserved) && !r; i++) {
        r = init.reserved[i] ? -EINVAL : 0;
    }
    if (!r) {
        r = init.cpuid.padding ? -EINVAL : init_vm(vm, &init, entries, cmd);
    }
    free(entries);
    return r;
}

/* ---- FINALIZE_VM ---- */

static int op_finalize(Vm *vm, AbiTdxCmd *cmd)
{
    if (vm->state != TD_INIT) {
        return -EINVAL;
    }
    uint64_t status = 0;
    int r = fault_due(vm->host, "TDH_MR_FINALIZE", &status);
    if (!r) {
        status = td_mr_finalize(vm->td);
    }
    if (status || r) {
        cmd->hw_error = status;
        if ((status & UINT64_C(0xffffffff00000000)) == TDX_OPERAND_BUSY || r == -EBUSY) {
            return -EBUSY;
        }
        vm_kill(vm);
        return -EIO;
    }
    vm->state = TD_RUNNABLE;
    record_finalized(vm);
    return 0;
}

int tdx_vm_op(Vm *vm, uintptr_t arg)
{
    AbiTdxCmd cmd;
    if (user_read(&cmd, arg, sizeof(cmd)) < 0) {
        return -EFAULT;
    }
    if (cmd.hw_error) {
        return -EINVAL;
    }
    uint64_t status = 0;
    int r = fault_due(vm->host, trace_tdx_name(cmd.id), &status);
    bool copy_back = true, locked = cmd.id != ABI_TDX_CAPABILITIES;
    if (r) {
        cmd.hw_error = status;
        return user_write(arg, &cmd, sizeof(cmd)) < 0 ? -EFAULT : r;
    }
    if (locked) {
        vm_lock_vcpus(vm);
    }
    switch (cmd.id) {
    case ABI_TDX_CAPABILITIES:
        r = op_capabilities(vm, &cmd);
        copy_back = !host_kernel_at_least(vm->host, 6, 19);
        break;
    case ABI_TDX_INIT_VM:
        r = op_init_vm(vm, &cmd);
        break;
    case ABI_TDX_FINALIZE_VM:
        r = op_finalize(vm, &cmd);
        break;
    default:
        r = -EINVAL;
        copy_back = false;
    }
    if (locked) {
        vm_unlock_vcpus(vm);
    }
    TRACE(vm->host, "tdx", T_S("name", trace_tdx_name(cmd.id)), T_D("result", r),
          T_X("hw_error", cmd.hw_error));
    if (copy_back && user_write(arg, &cmd, sizeof(cmd)) < 0) {
        return -EFAULT;
    }
    return r;
}
