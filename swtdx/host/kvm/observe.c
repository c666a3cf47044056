/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens in a TD, on its way to --trace and to the record of `swtdx measure`. */
#include "host.h"

static void on_tdcall(void *opaque, TdVcpu *tdv, uint64_t leaf, const uint64_t in[16],
                      uint64_t status)
{
    const Vm *vm = opaque;
    if (vm->host->trace) {
        trace_tdcall(td_vcpu_opaque(tdv), leaf, in, status);
    }
}

static void on_ve(void *opaque, TdVcpu *tdv, uint32_t reason, uint64_t qualification, uint64_t gpa)
{
    const Vm *vm = opaque;
    if (vm->host->trace) {
        trace_ve(td_vcpu_opaque(tdv), reason, qualification, gpa);
    }
}

static void on_page(void *opaque, uint64_t gpa, uint64_t size, TdPageChange change)
{
    trace_page(opaque, gpa, size, change);
    if (change == TD_PAGE_ADDED) {
        record_page_added(opaque, gpa);
    }
}

static void on_mr_extend(void *opaque, uint64_t gpa)
{
    trace_mr_extend(opaque, gpa);
    record_page_measured(opaque, gpa);
}

static bool on_may_extend(void *opaque, TdVcpu *tdv)
{
    return record_may_extend(opaque);
}

static void on_extended(void *opaque, TdVcpu *tdv, unsigned index, const uint8_t data[48],
                        const uint8_t rtmr[48])
{
    trace_rtmr_extend(td_vcpu_opaque(tdv), index, data, rtmr);
    record_extended(opaque, index, data);
}

void observe_td(Vm *vm, Td *td)
{
    static const TdObserver observer = {
        .tdcall = on_tdcall, .ve = on_ve, .page = on_page, .mr_extend = on_mr_extend,
        .may_extend = on_may_extend, .extended = on_extended,
    };
    if (vm->host->trace || vm->host->record) {
        td_observe(td, &observer, vm);
    }
}
