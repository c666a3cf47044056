/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XSAVE components that are registers. */
#include "xsave-register.h"

#include "cet.h"
#include "mmu.h"

void xsave_read_register(const Cpu *cpu, unsigned i, uint64_t image[3])
{
    if (i == COMPONENT_PKRU) {
        image[0] = cpu->pkru;
    } else if (i == COMPONENT_CET_U) {
        image[0] = cpu->u_cet;
        image[1] = cpu->pl_ssp[3];
    } else {
        memcpy(image, cpu->pl_ssp, 24);
    }
}

void xsave_write_register(Cpu *cpu, unsigned i, const uint64_t image[3])
{
    if (i == COMPONENT_CET_U) {
        cpu->u_cet = image[0];
        cpu->pl_ssp[3] = image[1];
    } else if (i == COMPONENT_CET_S) {
        memcpy(cpu->pl_ssp, image, 24);
    } else if (cpu->pkru != (uint32_t)image[0]) {
        cpu->pkru = (uint32_t)image[0];
        mmu_flush_all(cpu); /* the TLB holds rights that PKRU took part in */
    }
}

bool xsave_register_valid(const Cpu *cpu, unsigned i, const uint64_t image[3])
{
    switch (i) {
    case COMPONENT_CET_U:
        return cet_control_valid(cpu, image[0]) && cet_ssp_valid(cpu, image[1]);
    case COMPONENT_CET_S:
        return cet_ssp_valid(cpu, image[0]) && cet_ssp_valid(cpu, image[1])
               && cet_ssp_valid(cpu, image[2]);
    default:
        return true;
    }
}
