/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paging: rights, reserved bits, error codes, accessed and dirty bits, 4 and 5 levels (Intel SDM
 * vol. 3, ch. 4).
 */
#include "guest.h"
#include "swtdx/host/cpu/walk.h"

#define NX (UINT64_C(1) << 63)
#define PTE(address) (AT_PT + ((address) >> 12) * 8)

PROGRAM(load, 64, "mov (%rbx), %eax\n int $0x80");
PROGRAM(store, 64, "movl $1, (%rbx)\n int $0x80");
PROGRAM(jump, 64, "jmp *%rbx");
PROGRAM(stac_load, 64, "stac\n mov (%rbx), %eax\n clac\n int $0x80");
PROGRAM(lock_compare, 64, "lock cmpxchg %ecx, (%rbx)\n int $0x80");
PROGRAM(two_pages, 64, "movq $-1, (%rbx)\n int $0x80");
PROGRAM(push, 64, "mov %rbx, %rsp\n push %rax");
PROGRAM(stale, 64,
        "mov (%rbx), %eax\n movq $0, (%rsi)\n invlpg (%rbx)\n mov (%rbx), %eax\n int $0x80");
PROGRAM(wrpkru, 64,
        "mov %ebp, %eax\n xor %ecx, %ecx\n xor %edx, %edx\n wrpkru\n mov (%rbx), %eax\n movl $1, "
        "(%rbx)\n int $0x80");

static void not_present(Guest *g) { put64(g, PTE(AT_DATA), 0); }
static void supervisor(Guest *g) { put64(g, PTE(AT_DATA), AT_DATA | 3); }
static void read_only(Guest *g) { put64(g, PTE(AT_DATA), AT_DATA | 5); }
static void no_wp(Guest *g) { read_only(g); g->cpu->cr0 &= ~(uint64_t)CR0_WP; }
static void no_wp_table(Guest *g) { put64(g, AT_PD, AT_PT | 5); g->cpu->cr0 &= ~(uint64_t)CR0_WP; }
static void table_read_only(Guest *g)
{
    put64(g, AT_PD + 8, UINT64_C(0x200081));
    g->cpu->regs[GPR_RBX] = 0x200000;
}
static void table_supervisor(Guest *g) { put64(g, AT_PDPT, AT_PD | 3); }
static void no_execute(Guest *g) { put64(g, PTE(AT_DATA), AT_DATA | 7 | NX); }
static void table_no_execute(Guest *g)
{
    put64(g, AT_PD + 8, UINT64_C(0x200083) | NX);
    g->cpu->regs[GPR_RBX] = 0x200000;
}
/* Only the data are the user's. */
static void kernel_pages(Guest *g)
{
    for (unsigned at = 0; at < AT_END; at += 0x1000) {
        put64(g, PTE(at), at | (at == AT_DATA ? 7 : 3));
    }
}
static void smep(Guest *g) { kernel_pages(g); g->cpu->cr4 |= CR4_SMEP; }
static void smap(Guest *g) { kernel_pages(g); g->cpu->cr4 |= CR4_SMAP; }
static void large_reserved(Guest *g)
{
    put64(g, AT_PD + 8, UINT64_C(0x202083));
    g->cpu->regs[GPR_RBX] = 0x200000;
}
static void pml4_large(Guest *g)
{
    put64(g, AT_PML4 + 8, AT_PDPT | 0x87);
    g->cpu->regs[GPR_RBX] = UINT64_C(1) << 39;
}
static void pdpt_reserved(Guest *g)
{
    put64(g, AT_PDPT + 8, UINT64_C(0x40002087));
    g->cpu->regs[GPR_RBX] = 0x40000000;
}
static void shared_bit_in_table(Guest *g)
{
    put64(g, PTE(AT_DATA), AT_DATA | 7 | UINT64_C(1) << 48);
}
static void above_ist(Guest *g)
{
    put64(g, AT_IDT + VEC_SS * 16, get64(g, AT_IDT + VEC_SS * 16) | UINT64_C(1) << 32);
    g->cpu->regs[GPR_RBX] = UINT64_C(0x0000900000000000);
}
static void above(Guest *g) { g->cpu->regs[GPR_RBX] = UINT64_C(0x0000800000000000); }
static void above_5(Guest *g)
{
    g->cpu->cr4 |= CR4_LA57;
    g->cpu->cr3 = AT_PML5;
    put64(g, AT_PML5 + 8, AT_PML4 | 7);
    g->cpu->regs[GPR_RBX] = (UINT64_C(1) << 48) + AT_DATA;
}
static void hole_5(Guest *g) { above_5(g); g->cpu->regs[GPR_RBX] = UINT64_C(1) << 49; }
static void beyond_5(Guest *g) { above_5(g); g->cpu->regs[GPR_RBX] = UINT64_C(1) << 56; }
static void crossing(Guest *g)
{
    put64(g, PTE(AT_DATA2), 0);
    g->cpu->regs[GPR_RBX] = AT_DATA + 0xffc;
}
static void no_key(Guest *g)
{
    g->cpu->cr4 |= CR4_PKE;
    put64(g, PTE(AT_DATA), AT_DATA | 7 | UINT64_C(5) << 59);
}
static void key_denied(Guest *g) { no_key(g); g->cpu->regs[GPR_RBP] = 1u << 10; }
static void key_read_only(Guest *g) { no_key(g); g->cpu->regs[GPR_RBP] = 2u << 10; }
static void key_supervisor_page(Guest *g)
{
    no_key(g);
    put64(g, PTE(AT_DATA), AT_DATA | 3 | UINT64_C(5) << 59);
    g->cpu->regs[GPR_RBP] = 3u << 10;
}
static void stale_entry(Guest *g) { g->cpu->regs[GPR_RSI] = PTE(AT_DATA); }

static void cr2_is_address(Guest *g) { g_assert_cmphex(g->cpu->cr2, ==, g->cpu->regs[GPR_RBX]); }
static void cr2_second_page(Guest *g)
{
    g_assert_cmphex(g->cpu->cr2, ==, AT_DATA2);
    g_assert_cmphex(guest_word(g, AT_DATA + 0xff8), ==, 0); /* nothing of it was written */
}
static void accessed_only(Guest *g)
{
    g_assert_cmphex(guest_word(g, PTE(AT_DATA)), ==, AT_DATA | 0x27);
    g_assert_cmphex(guest_word(g, AT_PML4), ==, AT_PDPT | 0x27);
}
static void dirty_too(Guest *g)
{
    g_assert_cmphex(guest_word(g, PTE(AT_DATA)), ==, AT_DATA | 0x67);
}
static void untouched(Guest *g) { g_assert_cmphex(guest_word(g, PTE(AT_DATA)), ==, AT_DATA | 5); }

enum { P = PF_P, W = PF_W, U = PF_U, R = PF_RSVD, I = PF_I, K = PF_PK };
static const Case cases[] = {
    {"load", CODE(load), LONG, DONE, NO_ERROR, 4, NULL, accessed_only},
    {"store", CODE(store), LONG, DONE, NO_ERROR, 8, NULL, dirty_too},
    {"locked compare that fails sets D", CODE(lock_compare), LONG, DONE, NO_ERROR, ANY, NULL,
     dirty_too},
    {"load, not present", CODE(load), LONG, VEC_PF, 0, 0, not_present, cr2_is_address},
    {"store, not present", CODE(store), LONG, VEC_PF, W, 0, not_present, cr2_is_address},
    {"load by user, not present", CODE(load), USER, VEC_PF, U, 0, not_present, cr2_is_address},
    {"store by user, not present", CODE(store), USER, VEC_PF, U | W, 0, not_present,
     cr2_is_address},
    {"load by user, supervisor page", CODE(load), USER, VEC_PF, P | U, 0, supervisor,
     cr2_is_address},
    {"load by user, supervisor table", CODE(load), USER, VEC_PF, P | U | I, ANY, table_supervisor,
     NULL},
    {"store, read-only", CODE(store), LONG, VEC_PF, P | W, 0, read_only, untouched},
    {"store by user, read-only", CODE(store), USER, VEC_PF, P | U | W, 0, read_only, untouched},
    {"locked, read-only", CODE(lock_compare), LONG, VEC_PF, P | W, 0, read_only, untouched},
    {"store, read-only without WP", CODE(store), LONG, DONE, NO_ERROR, 8, no_wp, NULL},
    {"store by user, read-only without WP", CODE(store), USER, VEC_PF, P | U | W, 0, no_wp, NULL},
    {"store, read-only table", CODE(store), LONG, VEC_PF, P | W, 0, table_read_only, NULL},
    {"store, read-only table without WP", CODE(store), LONG, DONE, NO_ERROR, 8, no_wp_table, NULL},
    {"fetch, NX", CODE(jump), LONG, VEC_PF, P | I, AT_DATA - AT_CODE, no_execute, cr2_is_address},
    {"fetch by user, NX", CODE(jump), USER, VEC_PF, P | U | I, AT_DATA - AT_CODE, no_execute,
     cr2_is_address},
    {"fetch, large page NX", CODE(jump), LONG, VEC_PF, P | I, 0x200000 - AT_CODE, table_no_execute,
     cr2_is_address},
    {"load, NX", CODE(load), LONG, DONE, NO_ERROR, 4, no_execute, NULL},
    {"fetch, SMEP", CODE(jump), LONG, VEC_PF, P | I, AT_DATA - AT_CODE, smep, cr2_is_address},
    {"load, SMAP", CODE(load), LONG, VEC_PF, P, 0, smap, cr2_is_address},
    {"store, SMAP", CODE(store), LONG, VEC_PF, P | W, 0, smap, cr2_is_address},
    {"load, SMAP with AC", CODE(stac_load), LONG, DONE, NO_ERROR, ANY, smap, NULL},
    {"load, 2 MiB entry with reserved bits", CODE(load), LONG, VEC_PF, P | R, 0, large_reserved,
     cr2_is_address},
    {"load by user, reserved bits", CODE(load), USER, VEC_PF, P | U | R, 0, large_reserved,
     cr2_is_address},
    {"load, PS in PML4", CODE(load), LONG, VEC_PF, P | R, 0, pml4_large, cr2_is_address},
    {"load, 1 GiB entry with reserved bits", CODE(load), LONG, VEC_PF, P | R, 0, pdpt_reserved,
     cr2_is_address},
    {"load, GPA beyond the shared bit", CODE(load), LONG, VEC_PF, P | R, 0, shared_bit_in_table,
     cr2_is_address},
    {"load, not canonical", CODE(load), LONG, VEC_GP, 0, 0, above, NULL},
    {"push, not canonical", CODE(push), LONG, VEC_SS, 0, 3, above_ist, NULL},
    {"jump, not canonical", CODE(jump), LONG, VEC_GP, 0, 0, above, NULL},
    {"5 levels: load above 48 bits", CODE(load), LONG, DONE, NO_ERROR, 4, above_5, NULL},
    {"5 levels: hole above 48 bits", CODE(load), LONG, VEC_PF, 0, 0, hole_5, cr2_is_address},
    {"5 levels: not canonical", CODE(load), LONG, VEC_GP, 0, 0, beyond_5, NULL},
    {"store over two pages, second not present", CODE(two_pages), LONG, VEC_PF, W, 0, crossing,
     cr2_second_page},
    {"key: no rights taken", CODE(wrpkru), USER, DONE, NO_ERROR, ANY, no_key, NULL},
    {"key: access denied", CODE(wrpkru), USER, VEC_PF, P | U | K, 9, key_denied, cr2_is_address},
    {"key: write denied to user", CODE(wrpkru), USER, VEC_PF, P | U | W | K, 11, key_read_only,
     cr2_is_address},
    {"key: write denied to supervisor", CODE(wrpkru), LONG, VEC_PF, P | W | K, 11, key_read_only,
     cr2_is_address},
    {"key: supervisor page has none", CODE(wrpkru), LONG, DONE, NO_ERROR, ANY, key_supervisor_page,
     NULL},
    {"INVLPG forgets", CODE(stale), LONG, VEC_PF, 0, ANY, stale_entry, cr2_is_address},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    conformance_run("paging", cases, G_N_ELEMENTS(cases));
    return g_test_run();
}
