/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loops of system instructions on a small host stack: a handler that calls the next one, instead of
 * going over to it, would use the stack up.
 */
#include <pthread.h>

#include "program.h"

#define ROUNDS 100000u
#define HOST_STACK (256u << 10)

/* RBX points at data, R15 counts. */
#define LOOP(name, text) PROGRAM64(name, "1:\n" text "\n dec %r15d\n jnz 1b\n hlt")

LOOP(loop_cpuid, "push %rbx\n cpuid\n pop %rbx");
LOOP(loop_lldt, "mov $0x48, %eax\n lldt %ax");
LOOP(loop_ltr, "movb $0x89, 0x103d\n mov $0x38, %eax\n ltr %ax");
LOOP(loop_lar, "mov $0x18, %eax\n lar %ax, %ecx");
LOOP(loop_lsl, "mov $0x18, %eax\n lsl %ax, %ecx");
LOOP(loop_verr, "mov $0x18, %eax\n verr %ax");
LOOP(loop_sgdt, "sgdt (%rbx)\n lgdt (%rbx)");
LOOP(loop_sidt, "sidt (%rbx)\n lidt (%rbx)");
LOOP(loop_sldt, "sldt (%rbx)\n str (%rbx)\n smsw (%rbx)");
LOOP(loop_rdtsc, "rdtsc\n rdtscp");
LOOP(loop_rdrand, "rdrand %rax\n rdseed %rax");
LOOP(loop_base, "rdfsbase %rax\n wrfsbase %rax\n swapgs\n swapgs");
LOOP(loop_xgetbv, "xor %ecx, %ecx\n xgetbv");
LOOP(loop_pkru, "xor %ecx, %ecx\n rdpkru\n wrpkru");
LOOP(loop_cr, "mov %cr0, %rax\n mov %cr4, %rax\n mov %cr2, %rax");
LOOP(loop_dr, "mov %dr0, %rax\n mov %dr6, %rax");
LOOP(loop_segments, "mov %ds, %eax\n push %fs\n lea 8(%rsp), %rsp");
LOOP(loop_flags, "pushfq\n popfq\n cld\n cli");
LOOP(loop_xsave, "mov $7, %eax\n xor %edx, %edx\n xsave (%rbx)\n fxsave (%rbx)");
LOOP(loop_cmpxchg16b, "lock cmpxchg16b (%rbx)");
LOOP(loop_strings, "lea 0x100(%rbx), %rdi\n mov %rbx, %rsi\n mov $3, %ecx\n rep movsb\n lodsb\n "
                   "stosb\n scasb\n cmpsb");
LOOP(loop_divide, "xor %edx, %edx\n mov $7, %eax\n mov $3, %ecx\n div %ecx\n cqo\n idiv %rcx");
LOOP(loop_enter, "enter $16, $1\n leave");
LOOP(loop_x87, "fninit\n fld1\n fstpt (%rbx)\n fnstenv (%rbx)");
LOOP(loop_vector, "movups (%rbx), %xmm0\n sqrtps %xmm0, %xmm1\n pcmpistri $0, %xmm0, %xmm1\n "
                  "movups %xmm1, (%rbx)");

#define ROW(name) { #name, name, name##_end }
static const struct {
    const char *label;
    const uint8_t *code, *end;
} rows[] = {
    ROW(loop_cpuid), ROW(loop_lldt), ROW(loop_ltr), ROW(loop_lar), ROW(loop_lsl), ROW(loop_verr),
    ROW(loop_sgdt), ROW(loop_sidt),
    ROW(loop_sldt), ROW(loop_rdtsc), ROW(loop_rdrand), ROW(loop_base), ROW(loop_xgetbv),
    ROW(loop_pkru), ROW(loop_cr), ROW(loop_dr),
    ROW(loop_segments), ROW(loop_flags), ROW(loop_xsave), ROW(loop_cmpxchg16b), ROW(loop_strings),
    ROW(loop_divide), ROW(loop_enter),
    ROW(loop_x87), ROW(loop_vector),
};

static void *run(void *machine)
{
    Machine *m = machine;
    g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
    return NULL;
}

static void test_loop(gconstpointer data)
{
    g_autoptr(Machine) m = machine_new();
    size_t i = GPOINTER_TO_SIZE(data);
    pthread_attr_t attributes;
    pthread_t thread;
    machine_long(m);
    machine_code(m, AT_CODE, rows[i].code, (size_t)(rows[i].end - rows[i].code));
    machine_set_word(m, AT_GDT + 0x48, UINT64_C(0x820000000067)); /* an LDT, over 16 bytes */
    m->cpu->gdtr.limit = 0x57;
    m->cpu->cr4 |= CR4_FSGSBASE | CR4_OSXSAVE | CR4_OSFXSR | CR4_PKE;
    m->cpu->xcr0 = 7;
    m->cpu->regs[GPR_RBX] = AT_DATA + 0x100;
    m->cpu->regs[GPR_R15] = ROUNDS;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, HOST_STACK);
    g_assert_cmpint(pthread_create(&thread, &attributes, run, m), ==, 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    g_assert_cmphex(m->cpu->rip, ==, AT_CODE + (uint64_t)(rows[i].end - rows[i].code) - 1);
    g_assert_cmpuint(m->cpu->regs[GPR_R15], ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/nesting/%s", rows[i].label);
        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_loop);
    }
    return g_test_run();
}
