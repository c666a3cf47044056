/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TDG.MR.* and TDG.SYS.RDALL: leaves that read or write guest memory. */
#include <string.h>

#include "../cpu/block.h"
#include "metadata.h"
#include "module.h"

#define RTMR_DATA_ALIGN 64u
#define REPORTDATA_ALIGN 64u

/*
 * A GPA operand of a TDCALL: aligned, in the TD's range, private unless shared memory may stand
 * there.
 */
static bool operand_gpa_valid(const Td *td, uint64_t gpa, uint64_t align, bool may_share)
{
    return !(gpa & (align - 1)) && !(gpa >> td->gpaw) && (may_share || !(gpa & td->shared_bit));
}

static uint8_t *operand_page(TdVcpu *vcpu, uint64_t gpa, CpuAccess access)
{
    CpuHostPage page;
    world_resolve(vcpu, gpa, 0, false, access, &page);
    return page.host + (gpa & 0xfff);
}

/* Memory written here is not seen by the processor's own stores: code decoded from it must go. */
static void operand_written(TdVcpu *vcpu, uint64_t gpa)
{
    if (code_page_test(vcpu->td->group, gpa & ~UINT64_C(0xfff))) {
        code_page_write(vcpu->cpu, gpa & ~UINT64_C(0xfff));
    }
}

uint64_t tdcall_rtmr_extend(TdVcpu *vcpu)
{
    Td *td = vcpu->td;
    const TdObserver *observer = td->observer;
    uint64_t gpa = vcpu->cpu->regs[GPR_RCX], index = vcpu->cpu->regs[GPR_RDX];
    uint8_t data[48], value[48];
    if (!operand_gpa_valid(td, gpa, RTMR_DATA_ALIGN, false)) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    }
    if (index > 3) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
    }
    memcpy(data, operand_page(vcpu, gpa, CPU_READ), sizeof(data));
    if (observer && observer->may_extend && !observer->may_extend(td->observer_opaque, vcpu)) {
        cpu_leave(vcpu->cpu, CPU_EXIT_KICKED, false);
    }
    pthread_mutex_lock(&td->lock);
    measure_rtmr_extend(td, (unsigned)index, data);
    memcpy(value, td->rtmr[index], sizeof(value));
    pthread_mutex_unlock(&td->lock);
    if (observer && observer->extended) {
        observer->extended(td->observer_opaque, vcpu, (unsigned)index, data, value);
    }
    return TDX_SUCCESS;
}

uint64_t tdcall_report(TdVcpu *vcpu)
{
    Td *td = vcpu->td;
    const uint64_t *regs = vcpu->cpu->regs;
    uint64_t out = regs[GPR_RCX], data = regs[GPR_RDX];
    uint8_t reportdata[64], report[TDREPORT_SIZE];
    if (!operand_gpa_valid(td, out, TDREPORT_SIZE, true)) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    }
    if (!operand_gpa_valid(td, data, REPORTDATA_ALIGN, true)) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
    }
    if (regs[GPR_R8]) { /* report subtype */
        return TDX_OPERAND_INVALID | TDX_OPERAND_R8;
    }
    uint8_t *host = operand_page(vcpu, out, CPU_WRITE);
    memcpy(reportdata, operand_page(vcpu, data, CPU_READ), sizeof(reportdata));
    pthread_mutex_lock(&td->lock);
    report_make(td, reportdata, report);
    pthread_mutex_unlock(&td->lock);
    operand_written(vcpu, out);
    memcpy(host, report, sizeof(report));
    return TDX_SUCCESS;
}

uint64_t tdcall_verify_report(TdVcpu *vcpu)
{
    uint64_t gpa = vcpu->cpu->regs[GPR_RCX];
    uint8_t mac_struct[REPORTMACSTRUCT_SIZE];
    if (!operand_gpa_valid(vcpu->td, gpa, REPORTMACSTRUCT_SIZE, false)) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    }
    memcpy(mac_struct, operand_page(vcpu, gpa, CPU_READ), sizeof(mac_struct));
    return report_verify(vcpu->td->profile, mac_struct);
}

/* All fields fit into the page, so there is no next id. */
uint64_t tdcall_sys_rdall(TdVcpu *vcpu)
{
    uint64_t *regs = vcpu->cpu->regs;
    uint64_t gpa = regs[GPR_RDX], list[METADATA_SYS_LIST] = {0};
    if (!operand_gpa_valid(vcpu->td, gpa, 4096, false)) {
        regs[GPR_R8] = METADATA_END;
        return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
    }
    uint8_t *host = operand_page(vcpu, gpa, CPU_WRITE);
    TdxStatus status = metadata_sys_list(vcpu->td->profile, regs[GPR_R8], list);
    regs[GPR_R8] = METADATA_END;
    if (!status) {
        operand_written(vcpu, gpa);
        memcpy(host, list, list[0] & 0xffff);
    }
    return status;
}
