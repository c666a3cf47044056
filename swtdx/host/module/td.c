/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Life cycle of a TD and the SEAMCALLs on its pages: TDH.MNG.*, TDH.MEM.*, TDH.MR.*. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../cpu/block.h"
#include "module.h"

#define PAGE_SIZE 4096u
#define CHUNK_SIZE 256u

Td *td_new(const Profile *profile, const TdPort *port, void *opaque)
{
    Td *td = calloc(1, sizeof(*td));
    if (!td) {
        return NULL;
    }
    td->profile = profile;
    td->port = *port;
    td->opaque = opaque;
    td->version = module_version(profile);
    td->table = module_cpuid_table(profile);
    pthread_mutex_init(&td->lock, NULL);
    return td;
}

void td_free(Td *td)
{
    if (!td) {
        return;
    }
    if (td->group) {
        cpu_group_free(td->group);
    }
    sept_fini(&td->sept);
    free(td->vcpus);
    pthread_mutex_destroy(&td->lock);
    free(td);
}

void td_interpret(Td *td)
{
    td->interpret = true;
}

void td_determine(Td *td)
{
    td->deterministic = true;
}

int td_host_code_error(const Td *td)
{
    return cpu_group_jit_error(td->group);
}

static bool platform_ready(const Td *td)
{
    uint32_t leaf, subleaf;
    return td->table && td->table->num_rows <= TD_MAX_CPUID_ROWS &&
           module_cpuid_platform_ok(td->profile, &leaf, &subleaf);
}

/* What a failed TDH.MNG.INIT leaves behind is what it found. */
static TdxStatus acquire(Td *td, const TdParams *params)
{
    td->vcpus = calloc(params->max_vcpus, sizeof(td->vcpus[0]));
    td->group = td->vcpus ? cpu_group_new(params->max_vcpus, td->interpret ? 0 : CPU_JIT_HEAT)
                          : NULL;
    if (td->group && td->deterministic) {
        cpu_group_determine(td->group);
    }
    if (!td->group || !sept_init(&td->sept, td->shared_bit)) {
        if (td->group) {
            cpu_group_free(td->group);
            td->group = NULL;
        }
        free(td->vcpus);
        td->vcpus = NULL;
        return TDX_OPERAND_BUSY;
    }
    return TDX_SUCCESS;
}

TdxStatus td_init(Td *td, const TdParams *params, uint64_t *detail)
{
    uint64_t ignored;
    detail = detail ? detail : &ignored;
    *detail = 0;
    if (!platform_ready(td)) {
        return TDX_SYS_NOT_READY;
    }
    if (atomic_load(&td->op_state) != TD_OP_UNINITIALIZED) {
        return TDX_OP_STATE_INCORRECT;
    }
    TdxStatus status = td_params_check(td->profile, params);
    status = status ? status : module_cpuid_configure(td->profile, params, td->cpuid, detail);
    if (status) {
        return status;
    }
    td->gpaw = params->config_flags & TD_FLAG_GPAW ? 52 : 48;
    td->shared_bit = UINT64_C(1) << (td->gpaw - 1);
    status = acquire(td, params);
    if (status) {
        return status;
    }
    td->params = *params;
    td->topology_configured = true;
    atomic_store(&td->td_ctls,
                 params->attributes & TD_ATTR_SEPT_VE_DISABLE ? TD_CTLS_PENDING_VE_DISABLE : 0);
    td->tsc_start_ns = td->port.now_ns(td->opaque);
    if (td->deterministic) {
        memset(td->uuid, 0xd7, sizeof(td->uuid)); /* every TD's */
    } else if (getrandom(td->uuid, sizeof(td->uuid), 0) != (ssize_t)sizeof(td->uuid)) {
        memset(td->uuid, 0, sizeof(td->uuid)); /* as of a TD without one: nothing hangs on it */
    }
    measure_init(td);
    atomic_store(&td->op_state, TD_OP_INITIALIZED);
    return TDX_SUCCESS;
}

/* Private, page aligned, in the range that the TD's GPAW gives. */
static bool gpa_valid(const Td *td, uint64_t gpa)
{
    return !(gpa & (PAGE_SIZE - 1)) && gpa < td->shared_bit;
}

TdxStatus td_page_add(Td *td, uint64_t gpa, const uint8_t *source)
{
    _Atomic uint8_t *state;
    uint8_t *contents;
    TdxStatus status = TDX_SUCCESS;
    if (atomic_load(&td->op_state) != TD_OP_INITIALIZED) {
        return TDX_OP_STATE_INCORRECT;
    }
    if (!gpa_valid(td, gpa)) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    }
    if (!sept_place(&td->sept, gpa, &state, &contents)) {
        return TDX_EPT_WALK_FAILED | TDX_OPERAND_RCX;
    }
    pthread_mutex_lock(&td->lock);
    if (atomic_load(state) != SEPT_FREE) {
        status = TDX_EPT_ENTRY_NOT_FREE | TDX_OPERAND_RCX;
    } else {
        memcpy(contents, source, PAGE_SIZE);
        atomic_store(state, SEPT_MAPPED);
        measure_page_add(td, gpa);
    }
    pthread_mutex_unlock(&td->lock);
    if (!status) {
        observe_page(td, gpa, PAGE_SIZE, TD_PAGE_ADDED);
    }
    return status;
}

TdxStatus td_mr_extend(Td *td, uint64_t gpa)
{
    _Atomic uint8_t *state;
    uint8_t *contents;
    if (atomic_load(&td->op_state) != TD_OP_INITIALIZED) {
        return TDX_OP_STATE_INCORRECT;
    }
    if ((gpa & (CHUNK_SIZE - 1)) || gpa >= td->shared_bit) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    }
    if (!sept_lookup(&td->sept, gpa, &state, &contents) || atomic_load(state) == SEPT_FREE) {
        return TDX_EPT_ENTRY_NOT_PRESENT | TDX_OPERAND_RCX;
    }
    if (atomic_load(state) != SEPT_MAPPED) {
        return TDX_EPT_ENTRY_STATE_INCORRECT | TDX_OPERAND_RCX;
    }
    pthread_mutex_lock(&td->lock);
    measure_extend(td, gpa, contents + (gpa & (PAGE_SIZE - 1)));
    pthread_mutex_unlock(&td->lock);
    if (td->observer && td->observer->mr_extend) {
        td->observer->mr_extend(td->observer_opaque, gpa);
    }
    return TDX_SUCCESS;
}

TdxStatus td_page_aug(Td *td, uint64_t gpa)
{
    bool error;
    if (atomic_load(&td->op_state) != TD_OP_RUNNABLE) {
        return TDX_OP_STATE_INCORRECT;
    }
    if (!gpa_valid(td, gpa)) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    }
    if (sept_aug(&td->sept, gpa, &error)) {
        observe_page(td, gpa, PAGE_SIZE, TD_PAGE_AUGMENTED);
    }
    return error ? TDX_EPT_WALK_FAILED | TDX_OPERAND_RCX : TDX_SUCCESS;
}

void td_range_remove(Td *td, uint64_t gpa, uint64_t size)
{
    if (atomic_load(&td->op_state) == TD_OP_UNINITIALIZED) {
        return;
    }
    /* BLOCK, TRACK (no processor keeps a translation or code of the pages), REMOVE. */
    if (!sept_block_range(&td->sept, gpa, size)) {
        return;
    }
    cpu_group_flush(td->group, NULL, gpa, size);
    code_page_discard(td->group, gpa, size);
    sept_drop_range(&td->sept, gpa, size);
    observe_page(td, gpa, size, TD_PAGE_REMOVED);
}

TdxStatus td_mr_finalize(Td *td)
{
    TdxStatus status = TDX_SUCCESS;
    pthread_mutex_lock(&td->lock);
    if (atomic_load(&td->op_state) != TD_OP_INITIALIZED) {
        status = TDX_OP_STATE_INCORRECT;
    } else if (!td->num_vcpus) {
        status = TDX_NO_VCPUS;
    } else {
        measure_finalize(td);
        atomic_store(&td->op_state, TD_OP_RUNNABLE);
    }
    pthread_mutex_unlock(&td->lock);
    return status;
}

void td_mrtd(const Td *td, uint8_t mrtd[48])
{
    memcpy(mrtd, td->mrtd, 48);
}

void td_rtmr(const Td *td, unsigned index, uint8_t rtmr[48])
{
    memset(rtmr, 0, 48);
    if (index < 4) {
        memcpy(rtmr, td->rtmr[index], 48);
    }
}

unsigned td_gpaw(const Td *td)
{
    return td->gpaw;
}

bool td_rbp_bit_seen(const Td *td)
{
    return atomic_load(&td->rbp_bit_seen);
}

bool td_max_vcpus_hidden(const Td *td)
{
    return atomic_load(&td->max_vcpus_hidden);
}

void td_observe(Td *td, const TdObserver *observer, void *opaque)
{
    td->observer = observer;
    td->observer_opaque = opaque;
}

const char *td_page_state_name(Td *td, uint64_t gpa)
{
    if (atomic_load(&td->op_state) == TD_OP_UNINITIALIZED) {
        return "none";
    }
    if (gpa >> td->gpaw) {
        return "beyond GPAW";
    }
    if (gpa & td->shared_bit) {
        return "SHARED";
    }
    return sept_state_name(sept_state(&td->sept, gpa));
}
