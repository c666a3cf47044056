/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What no TD is offered faults as it does on a processor without it: instructions, bits of control
 * registers and of XCR0 and IA32_XSS, MSRs, in a TD of each profile.
 */
#include <string.h>

#include "one-instruction.h"

typedef struct Row {
    const char *name;
    unsigned feature; /* 0: none has it in a TD, or it has no bit */
    int vector;
    uint8_t code[12];
} Row;

#define I(...) { __VA_ARGS__ }

/* Intel SDM vol. 2 and the instruction set extensions reference; AMD's and VIA's own below. */
static const Row rows[] = {
    { "VMLAUNCH", L1(ECX, 5), VEC_UD, I(0x0f, 0x01, 0xc2) },
    { "VMRESUME", L1(ECX, 5), VEC_UD, I(0x0f, 0x01, 0xc3) },
    { "VMXOFF", L1(ECX, 5), VEC_UD, I(0x0f, 0x01, 0xc4) },
    { "VMXON", L1(ECX, 5), VEC_UD, I(0xf3, 0x0f, 0xc7, 0x36) },
    { "VMPTRLD", L1(ECX, 5), VEC_UD, I(0x0f, 0xc7, 0x36) },
    { "VMPTRST", L1(ECX, 5), VEC_UD, I(0x0f, 0xc7, 0x3e) },
    { "VMCLEAR", L1(ECX, 5), VEC_UD, I(0x66, 0x0f, 0xc7, 0x36) },
    { "VMREAD", L1(ECX, 5), VEC_UD, I(0x0f, 0x78, 0xc1) },
    { "VMWRITE", L1(ECX, 5), VEC_UD, I(0x0f, 0x79, 0xc1) },
    { "INVEPT", L1(ECX, 5), VEC_UD, I(0x66, 0x0f, 0x38, 0x80, 0x06) },
    { "INVVPID", L1(ECX, 5), VEC_UD, I(0x66, 0x0f, 0x38, 0x81, 0x06) },
    { "VMFUNC", L1(ECX, 5), VEC_UD, I(0x0f, 0x01, 0xd4) },
    { "GETSEC", L1(ECX, 6), VEC_UD, I(0x0f, 0x37) },
    { "RSM", 0, VEC_UD, I(0x0f, 0xaa) },
    { "SEAMCALL", 0, VEC_UD, I(0x66, 0x0f, 0x01, 0xcf) },
    { "SEAMOPS", 0, VEC_UD, I(0x66, 0x0f, 0x01, 0xce) },
    { "SEAMRET", 0, VEC_UD, I(0x66, 0x0f, 0x01, 0xcd) },
    { "ENCLS", L7(EBX, 2), VEC_UD, I(0x0f, 0x01, 0xcf) },
    { "ENCLU", L7(EBX, 2), VEC_UD, I(0x0f, 0x01, 0xd7) },
    { "ENCLV", L7(EBX, 2), VEC_UD, I(0x0f, 0x01, 0xc0) },
    { "BNDMK: a NOP", L7(EBX, 14), NOTHING, I(0xf3, 0x0f, 0x1b, 0x06) },
    { "BNDCL: a NOP", L7(EBX, 14), NOTHING, I(0xf3, 0x0f, 0x1a, 0x06) },
    { "PTWRITE", L7(EBX, 25), VEC_UD, I(0xf3, 0x0f, 0xae, 0xe0) },
    { "LOADIWKEY", L7(ECX, 23), VEC_UD, I(0xf3, 0x0f, 0x38, 0xdc, 0xc1) },
    { "ENCODEKEY128", L7(ECX, 23), VEC_UD, I(0xf3, 0x0f, 0x38, 0xfa, 0xc1) },
    { "AESENC128KL", L7(ECX, 23), VEC_UD, I(0xf3, 0x0f, 0x38, 0xdc, 0x06) },
    { "AESENCWIDE128KL", L7(ECX, 23), VEC_UD, I(0xf3, 0x0f, 0x38, 0xd8, 0x06) },
    { "ENQCMD", L7(ECX, 29), VEC_UD, I(0xf2, 0x0f, 0x38, 0xf8, 0x06) },
    { "ENQCMDS", L7(ECX, 29), VEC_UD, I(0xf3, 0x0f, 0x38, 0xf8, 0x06) },
    { "UIRET", L7(EDX, 5), VEC_UD, I(0xf3, 0x0f, 0x01, 0xec) },
    { "TESTUI", L7(EDX, 5), VEC_UD, I(0xf3, 0x0f, 0x01, 0xed) },
    { "CLUI", L7(EDX, 5), VEC_UD, I(0xf3, 0x0f, 0x01, 0xee) },
    { "STUI", L7(EDX, 5), VEC_UD, I(0xf3, 0x0f, 0x01, 0xef) },
    { "SENDUIPI", L7(EDX, 5), VEC_UD, I(0xf3, 0x0f, 0xc7, 0xf0) },
    { "SHA512: vsha512msg1", L71(EAX, 0), VEC_UD, I(0xc4, 0xe2, 0x7f, 0xcc, 0xc1) },
    { "SM3: vsm3msg1", L71(EAX, 1), VEC_UD, I(0xc4, 0xe2, 0x70, 0xda, 0xc2) },
    { "SM4: vsm4key4", L71(EAX, 2), VEC_UD, I(0xc4, 0xe2, 0x72, 0xda, 0xc2) },
    { "RAO_INT: aadd", L71(EAX, 3), VEC_UD, I(0x0f, 0x38, 0xfc, 0x0e) },
    { "CMPCCXADD: cmpoxadd", L71(EAX, 7), VEC_UD, I(0xc4, 0xe2, 0x71, 0xe0, 0x06) },
    { "FRED: erets", L71(EAX, 17), VEC_UD, I(0xf2, 0x0f, 0x01, 0xca) },
    { "FRED: eretu", L71(EAX, 17), VEC_UD, I(0xf3, 0x0f, 0x01, 0xca) },
    { "LKGS", L71(EAX, 18), VEC_UD, I(0xf2, 0x0f, 0x00, 0xf0) },
    { "WRMSRNS", L71(EAX, 19), VEC_UD, I(0x0f, 0x01, 0xc6) },
    { "HRESET", L71(EAX, 22), VEC_UD, I(0xf3, 0x0f, 0x3a, 0xf0, 0xc0, 0x01) },
    { "AVX_IFMA: vpmadd52luq", L71(EAX, 23), VEC_UD, I(0xc4, 0xe2, 0xf1, 0xb4, 0xc2) },
    { "RDMSRLIST", L71(EAX, 27), VEC_UD, I(0xf2, 0x0f, 0x01, 0xc6) },
    { "WRMSRLIST", L71(EAX, 27), VEC_UD, I(0xf3, 0x0f, 0x01, 0xc6) },
    { "MOVRS", L71(EAX, 31), VEC_UD, I(0x0f, 0x38, 0x8b, 0x06) },
    { "PBNDKB", L71(EBX, 1), VEC_UD, I(0x0f, 0x01, 0xc7) },
    { "AVX_VNNI_INT8: vpdpbssd", L71(EDX, 4), VEC_UD, I(0xc4, 0xe2, 0x73, 0x50, 0xc2) },
    { "AVX_NE_CONVERT: vcvtneebf162ps", L71(EDX, 5), VEC_UD, I(0xc4, 0xe2, 0x7a, 0xb0, 0x06) },
    { "AMX_COMPLEX: tcmmimfp16ps", L71(EDX, 8), VEC_UD, I(0xc4, 0xe2, 0x71, 0x6c, 0xc2) },
    { "AVX_VNNI_INT16: vpdpwusd", L71(EDX, 10), VEC_UD, I(0xc4, 0xe2, 0x71, 0xd2, 0xc2) },
    { "USER_MSR: urdmsr", L71(EDX, 15), VEC_UD, I(0xf2, 0x0f, 0x38, 0xf8, 0xc1) },
    { "USER_MSR: uwrmsr", L71(EDX, 15), VEC_UD, I(0xf3, 0x0f, 0x38, 0xf8, 0xc1) },
    { "AVX10: vminmaxps", L71(EDX, 19), VEC_UD, I(0x62, 0xf3, 0x75, 0x08, 0x52, 0xc2, 0x01) },
    { "APX: REX2", L71(EDX, 21), VEC_UD, I(0xd5, 0x18, 0x01, 0xc0) },
    { "APX: add of three operands", L71(EDX, 21), VEC_UD, I(0x62, 0xf4, 0x7c, 0x18, 0x01, 0xc1) },
    { "APX: jmpabs", L71(EDX, 21), VEC_UD, I(0xd5, 0x01, 0xa1, 0x06) },
    { "AMX-TF32: tmmultf32ps", 0, VEC_UD, I(0xc4, 0xe2, 0x71, 0x48, 0xc2) },
    { "UD0", 0, VEC_UD, I(0x0f, 0xff, 0xc1) },
    { "UD1", 0, VEC_UD, I(0x0f, 0xb9, 0xc1) },
    { "UD2", 0, VEC_UD, I(0x0f, 0x0b) },

    { "VMRUN", X1(ECX, 2), VEC_UD, I(0x0f, 0x01, 0xd8) },
    { "VMMCALL", X1(ECX, 2), VEC_UD, I(0x0f, 0x01, 0xd9) },
    { "VMLOAD", X1(ECX, 2), VEC_UD, I(0x0f, 0x01, 0xda) },
    { "VMSAVE", X1(ECX, 2), VEC_UD, I(0x0f, 0x01, 0xdb) },
    { "STGI", X1(ECX, 2), VEC_UD, I(0x0f, 0x01, 0xdc) },
    { "CLGI", X1(ECX, 2), VEC_UD, I(0x0f, 0x01, 0xdd) },
    { "SKINIT", X1(ECX, 12), VEC_UD, I(0x0f, 0x01, 0xde) },
    { "INVLPGA", X1(ECX, 2), VEC_UD, I(0x0f, 0x01, 0xdf) },
    { "MONITORX", X1(ECX, 29), VEC_UD, I(0x0f, 0x01, 0xfa) },
    { "MWAITX", X1(ECX, 29), VEC_UD, I(0x0f, 0x01, 0xfb) },
    { "CLZERO", 0, VEC_UD, I(0x0f, 0x01, 0xfc) },
    { "RDPRU", 0, VEC_UD, I(0x0f, 0x01, 0xfd) },
    { "INVLPGB", 0, VEC_UD, I(0x0f, 0x01, 0xfe) },
    { "TLBSYNC", 0, VEC_UD, I(0x0f, 0x01, 0xff) },
    { "MCOMMIT", 0, VEC_UD, I(0xf3, 0x0f, 0x01, 0xfa) },
    { "PSMASH", 0, VEC_UD, I(0xf3, 0x0f, 0x01, 0xff) },
    { "PVALIDATE", 0, VEC_UD, I(0xf2, 0x0f, 0x01, 0xff) },
    { "RMPADJUST", 0, VEC_UD, I(0xf3, 0x0f, 0x01, 0xfe) },
    { "3DNow!: pfadd", X1(EDX, 31), VEC_UD, I(0x0f, 0x0f, 0xc1, 0x9e) },
    { "3DNow!: femms", X1(EDX, 31), VEC_UD, I(0x0f, 0x0e) },
    { "SSE4A: extrq", X1(ECX, 6), VEC_UD, I(0x66, 0x0f, 0x79, 0xc1) },
    { "SSE4A: insertq", X1(ECX, 6), VEC_UD, I(0xf2, 0x0f, 0x79, 0xc1) },
    { "SSE4A: movntss", X1(ECX, 6), VEC_UD, I(0xf3, 0x0f, 0x2b, 0x06) },
    { "XOP: vpmacssww", X1(ECX, 11), VEC_UD, I(0x8f, 0xe8, 0x70, 0x85, 0xc2, 0x30) },
    { "FMA4: vfmaddpd", X1(ECX, 16), VEC_UD, I(0xc4, 0xe3, 0x71, 0x69, 0xc2, 0x30) },
    { "TBM: blcfill", X1(ECX, 21), VEC_UD, I(0x8f, 0xe9, 0x78, 0x01, 0xc8) },
    { "LWP: llwpcb", X1(ECX, 15), VEC_UD, I(0x8f, 0xe9, 0x78, 0x12, 0xc0) },
    { "PadLock: xstore", 0, VEC_UD, I(0x0f, 0xa7, 0xc0) },
    { "Knights Corner: popcnt, VEX", 0, VEC_UD, I(0xc4, 0xc1, 0x7a, 0xb8, 0xc1) },
};

/* Bits of CR4 and what offers them; a bit of two features needs both (SDM vol. 3, 2.5). */
static const struct {
    unsigned bit;
    unsigned features[2];
    int vector; /* where it is not offered */
} cr4_rows[] = {
    { 0, { L1(EDX, 1) }, VEC_GP }, { 1, { L1(EDX, 1) }, VEC_GP }, { 11, { L7(ECX, 2) }, VEC_GP },
    { 13, { 0 }, VEC_VE }, { 15, { 0 }, VEC_GP },
    { 16, { L7(EBX, 0) }, VEC_GP }, { 17, { L1(ECX, 17) }, VEC_GP },
    { 19, { 0 }, VEC_GP }, { 20, { L7(EBX, 7) }, VEC_GP }, { 21, { L7(EBX, 20) }, VEC_GP },
    { 22, { L7(ECX, 3) }, VEC_GP }, { 23, { L7(ECX, 7), L7(EDX, 20) }, VEC_GP },
    { 24, { L7(ECX, 31) }, VEC_GP }, { 25, { L7(EDX, 5) }, VEC_GP }, { 26, { 0 }, VEC_GP },
    { 27, { L71(EAX, 6) }, VEC_GP }, { 28, { L71(EAX, 26) }, VEC_GP }, { 29, { 0 }, VEC_GP },
    { 30, { 0 }, VEC_GP }, { 31, { 0 }, VEC_GP }, { 32, { L71(EAX, 17) }, VEC_GP },
    { 33, { 0 }, VEC_GP }, { 63, { 0 }, VEC_GP },
};

/* MSRs of states in XFAM, and of ATTRIBUTES (0): #GP without it (the module's MSR table). */
static const struct {
    uint32_t index;
    uint64_t xfam;
} msr_rows[] = {
    { 0x570, XFAM_PT }, { 0x560, XFAM_PT }, { 0x580, XFAM_PT }, { 0x6a0, XFAM_CET },
    { 0x6a2, XFAM_CET }, { 0x6a7, XFAM_CET }, { 0x6a8, XFAM_CET }, { 0x985, XFAM_UINTR },
    { 0x98a, XFAM_UINTR }, { 0x1200, XFAM_LBR }, { 0x14ce, XFAM_LBR }, { 0x14cf, XFAM_LBR },
    { 0x1500, XFAM_LBR }, { 0x1600, XFAM_LBR }, { 0x1c4, XFAM_AMX }, { 0x1c5, XFAM_AMX },
    { 0x6e1, 0 },
};

static void expect(const Guest *g, const char *name, const uint8_t *code, size_t n, int vector)
{
    Guest other = { .profile = g->profile, .params = g->params };
    int found = td_execute(&other, name, code, n);
    if (found != vector) {
        g_test_message("%s: vector %d, expected %d", name, found, vector);
        g_test_fail();
    }
}

static void check_instructions(const Guest *g)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Row *row = &rows[i];
        if (row->feature && module_cpuid_feature(g->td, row->feature)) {
            g_test_message("%s: is offered, and belongs into test-offered.c", row->name);
            g_test_fail();
        }
        expect(g, row->name, row->code, sizeof(row->code), row->vector);
    }
}

static void check_cr4(const Guest *g)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cr4_rows); i++) {
        /* mov rax, cr4; bts rax, bit; mov cr4, rax */
        uint8_t code[] = { 0x0f, 0x20, 0xe0, 0x48, 0x0f, 0xba, 0xe8, (uint8_t)cr4_rows[i].bit,
                           0x0f, 0x22, 0xe0 };
        g_autofree char *name = g_strdup_printf("CR4 bit %u", cr4_rows[i].bit);
        bool offered = cr4_rows[i].features[0] != 0;
        for (unsigned k = 0; k < 2; k++) {
            unsigned feature = cr4_rows[i].features[k];
            offered = offered && (!feature || module_cpuid_feature(g->td, feature));
        }
        expect(g, name, code, sizeof(code), offered ? NOTHING : cr4_rows[i].vector);
    }
}

/* Each bit alone, besides x87's and SSE's: those that want others beside them are refused, too. */
static void check_states(const Guest *g)
{
    const uint64_t alone = XFAM_AVX | XFAM_PKRU, xss = XFAM_PT | XFAM_UINTR | XFAM_LBR;
    for (unsigned bit = 2; bit < 64; bit++) {
        uint64_t state = UINT64_C(1) << bit, value = 3 | state;
        /* mov eax, low; mov edx, high; xor ecx, ecx; xsetbv */
        uint8_t xcr0[] = { 0xb8, 0, 0, 0, 0, 0xba, 0, 0, 0, 0, 0x31, 0xc9, 0x0f, 0x01, 0xd1 };
        /* mov eax, low; mov edx, high; mov ecx, 0da0h; wrmsr */
        uint8_t wrmsr[] = { 0xb8, 0, 0, 0, 0, 0xba, 0, 0, 0, 0, 0xb9, 0xa0, 0x0d, 0, 0,
                            0x0f, 0x30 };
        g_autofree char *user = g_strdup_printf("XCR0 bit %u", bit);
        g_autofree char *supervisor = g_strdup_printf("IA32_XSS bit %u", bit);
        memcpy(xcr0 + 1, &value, 4);
        memcpy(xcr0 + 6, (uint8_t *)&value + 4, 4);
        memcpy(wrmsr + 1, &state, 4);
        memcpy(wrmsr + 6, (uint8_t *)&state + 4, 4);
        expect(g, user, xcr0, sizeof(xcr0), state & g->params.xfam & alone ? NOTHING : VEC_GP);
        expect(g, supervisor, wrmsr, sizeof(wrmsr),
               state & g->params.xfam & (XFAM_CET | xss) ? NOTHING : VEC_GP);
    }
}

static void check_msrs(const Guest *g)
{
    for (size_t i = 0; i < G_N_ELEMENTS(msr_rows); i++) {
        uint8_t code[] = { 0xb9, 0, 0, 0, 0, 0x0f, 0x32 }; /* mov ecx, index; rdmsr */
        g_autofree char *name = g_strdup_printf("RDMSR of %x", msr_rows[i].index);
        memcpy(code + 1, &msr_rows[i].index, 4);
        expect(g, name, code, sizeof(code),
               g->params.xfam & msr_rows[i].xfam ? NOTHING : VEC_GP);
    }
}

static void check_profile(const Profile *profile)
{
    Guest g = { .profile = *profile };
    profile_narrow(&g.profile, NULL, 0);
    td_ask_for(&g, true, 0);
    td_open(&g);
    g_test_message("%s", profile->name);
    check_instructions(&g);
    check_cr4(&g);
    check_states(&g);
    check_msrs(&g);
    td_close(&g);
}

static void test_profiles(void)
{
    td_each_profile(check_profile);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/absent/profiles", test_profiles);
    return g_test_run();
}
