/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of a TD that are taken away, accepted again, converted or put elsewhere by the host, while
 * the guest stores to them in a loop that is host code.
 */
#include <glib.h>
#include <string.h>

#include "../../../swtdx/host/module/module.h"

#define PAGE UINT64_C(0x100000)  /* that the host works on; linear 2 GiB above, see hot_page */
#define BOARD UINT64_C(0x200000) /* shared: what guest and host tell each other */
#define SHARED_BIT (UINT64_C(1) << 47)

/* What the guest does next (BOARD + 10h): it puts 0 there when it has done it. */
enum { GO_ON, CONVERT, STOP };

/*
 * Long mode from a TD's start state. RBX is PAGE's linear address, whose GiB is private or, after
 * CONVERT, shared; RDX is BOARD's. Each round counts in both. #VE accepts the page where it was
 * met, and counts in BOARD + 8.
 */
__asm__(
    ".pushsection .rodata\n"
    ".balign 4096\n"
    "hot_page:\n"
    ".code32\n"
    "hot_start32:\n"
    "  lgdt 0x3100\n  movl $0x1000, %eax\n  movl %eax, %cr3\n"
    "  movl %cr4, %eax\n  orl $0x20, %eax\n  movl %eax, %cr4\n" /* PAE */
    "  movl %cr0, %eax\n  orl $0x80000000, %eax\n  movl %eax, %cr0\n"
    "  ljmp $8, $0xfffff000 + (hot_start64 - hot_page)\n"
    ".code64\n"
    "hot_start64:\n"
    "  movl $0x6000, %esp\n  lidt 0x3110\n"
    "  movl $0x80100000, %ebx\n  movl $0x40200000, %edx\n  xorl %eax, %eax\n"
    "1: addq $1, %rax\n  movq %rax, (%rbx)\n  movq %rax, (%rdx)\n  cmpl $0, 16(%rdx)\n  je 1b\n"
    "  cmpl $2, 16(%rdx)\n  je 2f\n"
    "  btcq $47, 0x2010\n  invlpg (%rbx)\n  movl $0, 16(%rdx)\n  jmp 1b\n"
    "2: xorl %r10d, %r10d\n  movl $12, %r11d\n  movl $0xfc00, %ecx\n  xorl %eax, %eax\n"
    "  .byte 0x66, 0x0f, 0x01, 0xcc\n"
    ".fill 0x200 - (. - hot_page), 1, 0x90\n" /* the gate of #VE */
    "  pushq %rax\n  pushq %rcx\n  pushq %rdx\n"
    "  movl $3, %eax\n  .byte 0x66, 0x0f, 0x01, 0xcc\n" /* VEINFO.GET: R9 is the GPA */
    "  movq %r9, %rcx\n  andq $-4096, %rcx\n  movl $6, %eax\n  .byte 0x66, 0x0f, 0x01, 0xcc\n"
    "  testq %rax, %rax\n  jz 3f\n  ud2\n"
    "3: popq %rdx\n  incq 8(%rdx)\n  popq %rcx\n  popq %rax\n  iretq\n"
    ".fill 0xff0 - (. - hot_page), 1, 0x90\n"
    ".code32\n"
    "  jmp hot_start32\n"
    ".fill 0x1000 - (. - hot_page), 1, 0x90\n"
    ".code64\n"
    ".popsection\n");
extern const uint8_t hot_page[4096];

typedef struct Hot {
    Td *td;
    TdVcpu *vcpu;
    Lapic lapic;
    TdExit exit;              /* the last */
    uint8_t *board;
    uint8_t *_Atomic other;   /* PAGE's shared side; NULL: it has none */
    _Atomic unsigned refused; /* exits of the shared side */
    GThread *thread;
} Hot;

static uint8_t *shared_page(void *opaque, uint64_t gpa, bool *writable)
{
    Hot *h = opaque;
    uint8_t *other = h->other;
    *writable = true;
    return gpa == BOARD ? h->board : other != NULL ? other : TD_SHARED_EXIT;
}

static uint64_t now_ns(void *opaque)
{
    return 0;
}

static void nothing_notify(void *opaque, bool nmi)
{
}

static void put64(uint8_t *page, unsigned offset, uint64_t v)
{
    memcpy(page + offset, &v, 8);
}

static void add_page(Td *td, uint64_t gpa, const uint8_t *page)
{
    g_assert_cmphex(td_page_add(td, gpa, page), ==, 0);
}

static void add_pages(Td *td)
{
    uint8_t page[4096] = { 0 };
    put64(page, 0, 0x2003);
    add_page(td, 0x1000, page); /* PML4 */
    put64(page, 0, 0x83);
    put64(page, 8, SHARED_BIT | 0x83);
    put64(page, 16, 0x83);
    put64(page, 24, UINT64_C(3) << 30 | 0x83);
    add_page(td, 0x2000, page); /* PDPT: private, shared, either; the ROM */
    memset(page, 0, sizeof(page));
    put64(page, 8, UINT64_C(0x00af9b000000ffff));
    put64(page, 0x100, 0xf | UINT64_C(0x3000) << 16);
    put64(page, 0x110, 0x1ff | UINT64_C(0x4000) << 16);
    add_page(td, 0x3000, page); /* GDT, its and the IDT's register */
    memset(page, 0, sizeof(page));
    put64(page, 20 * 16, UINT64_C(0xffff8e000008f200));
    add_page(td, 0x4000, page);
    memset(page, 0, sizeof(page));
    add_page(td, 0x5000, page);
    add_page(td, 0xfffff000, hot_page);
}

/* As KVM does: adds what is missing, if it is not just being removed, and enters again. */
static gpointer run(gpointer opaque)
{
    Hot *h = opaque;
    for (;;) {
        g_assert_cmphex(td_vp_enter(h->vcpu, &h->exit), ==, 0);
        if (h->exit.kind != TD_EXIT_EPT_VIOLATION) {
            return NULL;
        }
        g_assert_cmphex(h->exit.gpa & ~UINT64_C(0xfff), ==, PAGE);
        if (h->exit.shared) {
            h->refused++;
            g_thread_yield();
        } else {
            g_assert_cmphex(td_page_aug(h->td, PAGE), ==, 0);
        }
    }
}

static Hot *start(void)
{
    static const TdPort port = { shared_page, now_ns };
    static const LapicPort lapic_port = { .notify = nothing_notify };
    TdParams params = { .xfam = 3, .eptp_controls = 0x1e, .config_flags = 4, .max_vcpus = 1,
                        .tsc_frequency = 40 };
    Hot *h = g_new0(Hot, 1);
    h->board = g_malloc0(4096);
    lapic_init(&h->lapic, 0, &lapic_port, NULL);
    h->td = td_new(profile_builtin(), &port, h);
    g_assert_cmphex(td_init(h->td, &params, NULL), ==, 0);
    h->vcpu = td_vcpu_new(h->td, &h->lapic, NULL);
    g_assert_cmphex(td_vp_init(h->vcpu, 0, 0), ==, 0);
    add_pages(h->td);
    g_assert_cmphex(td_mr_finalize(h->td), ==, 0);
    h->thread = g_thread_new("vcpu", run, h);
    return h;
}

/* ---- words that the guest stores to at the same time ---- */

static uint64_t test_wait_word(const uint8_t *page)
{
    return __atomic_load_n((const uint64_t *)(const void *)page, __ATOMIC_RELAXED);
}

/* Some more rounds, at least two: then an access to PAGE has been made by host code. */
static void test_wait_rounds(Hot *h)
{
    uint64_t before = test_wait_word(h->board);
    while (test_wait_word(h->board) < before + 100) {
        g_thread_yield();
    }
}

static void test_wait_order(Hot *h, uint32_t what)
{
    uint32_t *word = (uint32_t *)(void *)(h->board + 16);
    __atomic_store_n(word, what, __ATOMIC_RELAXED);
    while (what == CONVERT && __atomic_load_n(word, __ATOMIC_RELAXED) != GO_ON) {
        g_thread_yield();
    }
}

static uint64_t accepted(const Hot *h)
{
    return test_wait_word(h->board + 8);
}

static void stop(Hot *h)
{
    test_wait_order(h, STOP);
    g_thread_join(h->thread);
    g_assert_cmpint(h->exit.kind, ==, TD_EXIT_VMCALL);
    td_vcpu_free(h->vcpu);
    td_free(h->td);
    g_free(h->board);
    g_free(h);
}

/* ---- tests ---- */

/* Each removal is met by the next store, which finds the page to be accepted first. */
static void test_removed(void)
{
    Hot *h = start();
    test_wait_rounds(h);
    for (unsigned i = 1; i <= 100; i++) {
        g_assert_cmpuint(accepted(h), ==, i);
        td_range_remove(h->td, PAGE, 4096);
        test_wait_rounds(h);
    }
    g_assert_cmpuint(accepted(h), ==, 101);
    stop(h);
}

/* The guest goes to the shared page and back: neither side has anything of the other's. */
static void test_converted(void)
{
    uint8_t *other = g_malloc0(4096);
    Hot *h = start();
    h->other = other;
    for (unsigned i = 0; i < 20; i++) {
        uint64_t last = test_wait_word(other);
        test_wait_rounds(h);
        g_assert_cmpuint(accepted(h), ==, 1 + (i + 1) / 2);
        g_assert_cmpuint(test_wait_word(other), ==, last);
        test_wait_order(h, CONVERT);
        test_wait_rounds(h);
        g_assert_cmpuint(test_wait_word(other), >, last);
        if (i % 2 == 0) {
            td_range_remove(h->td, PAGE, 4096); /* as KVM does at a conversion */
        }
        test_wait_rounds(h);
        g_assert_cmpuint(accepted(h), ==, 1 + (i + 1) / 2);
        test_wait_order(h, CONVERT);
    }
    stop(h);
    g_free(other);
}

/* Another slot behind the shared page: nothing more comes to the old one's memory. */
static void test_other_slot(void)
{
    uint8_t *pages = g_malloc0(2 * 4096);
    Hot *h = start();
    CpuGroup *group = td_vcpu_cpu(h->vcpu)->group;
    h->other = pages;
    test_wait_rounds(h);
    test_wait_order(h, CONVERT);
    for (unsigned i = 1; i <= 100; i++) {
        const uint8_t *old = pages + (i + 1) % 2 * 4096;
        uint64_t last;
        h->other = pages + i % 2 * 4096;
        cpu_group_flush(group, NULL, SHARED_BIT | PAGE, 4096);
        last = test_wait_word(old);
        test_wait_rounds(h);
        g_assert_cmpuint(test_wait_word(old), ==, last);
        g_assert_cmpuint(test_wait_word(pages + i % 2 * 4096), >, last);
    }
    stop(h);
    g_free(pages);
}

/* The shared page becomes private by attribute: the guest waits in exits until it is back. */
static void test_no_shared_side(void)
{
    uint8_t *other = g_malloc0(4096);
    Hot *h = start();
    CpuGroup *group = td_vcpu_cpu(h->vcpu)->group;
    h->other = other;
    test_wait_rounds(h);
    test_wait_order(h, CONVERT);
    for (unsigned i = 0; i < 100; i++) {
        unsigned before = h->refused;
        uint64_t last;
        h->other = NULL;
        cpu_group_flush(group, NULL, SHARED_BIT | PAGE, 4096);
        last = test_wait_word(other);
        while (h->refused == before) {
            g_thread_yield();
        }
        g_assert_cmpuint(test_wait_word(other), ==, last);
        h->other = other;
        test_wait_rounds(h);
        g_assert_cmpuint(test_wait_word(other), >, last);
    }
    stop(h);
    g_free(other);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hot/removed", test_removed);
    g_test_add_func("/hot/converted", test_converted);
    g_test_add_func("/hot/other-slot", test_other_slot);
    g_test_add_func("/hot/no-shared-side", test_no_shared_side);
    return g_test_run();
}
