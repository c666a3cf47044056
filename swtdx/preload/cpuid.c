/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that executes CPUID must see the profile's processor too: VMMs take vendor, family and
 * address widths from it.
 *
 * CPUID can't be trapped from user mode on every machine (arch_prctl(ARCH_SET_CPUID) needs
 * faulting, and would trap those of libc and of this library, too), so the CPUIDs of an object's
 * code become UD2, and the SIGILL is answered; libraries.c says which objects'. The function starts
 * in .eh_frame_hdr (LSB core, "Exception Frames") make sure that only instructions are replaced,
 * never the same two bytes inside of others.
 */
#include <cpuid.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <Zydis/Zydis.h>

#include "preload.h"

#define PAGE 4096u
#define CPUID_LENGTH 2
#define UD2_SECOND 0x0b
#define MAX_SITES 4096

/*
 * Entries are only added, by one thread at a time, each before its instruction is replaced; the
 * handler of SIGILL reads.
 */
static uintptr_t sites[MAX_SITES];
static _Atomic unsigned num_sites;
static bool handled; /* SIGILL comes to us */

/* An object's loaded segments, and the search table of its function starts. */
typedef struct Image {
    uintptr_t base;
    const ElfW(Phdr) *headers;
    unsigned num_headers;
    const uint8_t *frame_header;
    uint32_t num_functions;
} Image;

/* .eh_frame_hdr: a sorted table of pairs (function, FDE), both relative to the header. */
#define TABLE_AT 12u
#define ENCODING_UDATA4 0x03
#define ENCODING_TABLE 0x3b /* datarel | sdata4: what GNU ld, gold and lld write */

static bool read_frame_header(Image *image, const ElfW(Phdr) *segment)
{
    const uint8_t *h = (const uint8_t *)(image->base + segment->p_vaddr);
    if (segment->p_memsz < TABLE_AT || h[0] != 1 || h[2] != ENCODING_UDATA4 ||
        h[3] != ENCODING_TABLE) {
        return false;
    }
    memcpy(&image->num_functions, h + 8, sizeof(image->num_functions));
    image->frame_header = h;
    return image->num_functions && image->num_functions <= (segment->p_memsz - TABLE_AT) / 8;
}

static uintptr_t function_start(const Image *image, uint32_t n)
{
    int32_t offset;
    memcpy(&offset, image->frame_header + TABLE_AT + (size_t)n * 8, sizeof(offset));
    return (uintptr_t)image->frame_header + (uintptr_t)(intptr_t)offset;
}

/* The last function that starts at or before the address; 0: none. */
static uintptr_t function_of(const Image *image, uintptr_t address)
{
    uint32_t low = 0, high = image->num_functions;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (function_start(image, mid) <= address) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low ? function_start(image, low - 1) : 0;
}

/* Do the instructions from `start` on have a CPUID at `address`? */
static bool is_instruction(const ZydisDecoder *decoder, uintptr_t start, uintptr_t address)
{
    ZydisDecodedInstruction insn;
    while (start < address) {
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, NULL, (const void *)start,
                                                        address - start + CPUID_LENGTH, &insn))) {
            return false;
        }
        start += insn.length;
    }
    return start == address;
}

static void find_sites(const Image *image, const ZydisDecoder *decoder, const ElfW(Phdr) *segment)
{
    static const uint8_t opcode[CPUID_LENGTH] = { 0x0f, 0xa2 };
    uintptr_t at = image->base + segment->p_vaddr, start = at, end = at + segment->p_filesz;
    const uint8_t *hit;
    while (at < end && (hit = memmem((const void *)at, end - at, opcode, sizeof(opcode)))) {
        uintptr_t function = function_of(image, (uintptr_t)hit);
        unsigned n = atomic_load(&num_sites);
        if (function >= start && is_instruction(decoder, function, (uintptr_t)hit) &&
            n < MAX_SITES) {
            sites[n] = (uintptr_t)hit;
            atomic_store(&num_sites, n + 1);
        }
        at = (uintptr_t)hit + 1;
    }
}

/*
 * 0F A2 becomes 0F 0B: one byte. The pages are private copies from then on, as after any
 * relocation. Others may be executing there.
 */
static bool replace(uintptr_t site)
{
    uintptr_t page = (site + 1) & ~(uintptr_t)(PAGE - 1);
    if (syscall(SYS_mprotect, page, (size_t)PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) &&
        syscall(SYS_mprotect, page, (size_t)PAGE, PROT_READ | PROT_WRITE)) {
        return false;
    }
    *(volatile uint8_t *)(site + 1) = UD2_SECOND;
    return syscall(SYS_mprotect, page, (size_t)PAGE, PROT_READ | PROT_EXEC) == 0;
}

bool preload_trap_object(const struct dl_phdr_info *info, uintptr_t *first_site)
{
    Image image = { .base = info->dlpi_addr, .headers = info->dlpi_phdr,
                    .num_headers = info->dlpi_phnum };
    ZydisDecoder decoder;
    unsigned before = atomic_load(&num_sites);
    *first_site = 0;
    for (unsigned i = 0; i < image.num_headers; i++) {
        if (image.headers[i].p_type == PT_GNU_EH_FRAME &&
            !read_frame_header(&image, &image.headers[i])) {
            image.frame_header = NULL;
        }
    }
    if (!image.frame_header || !handled ||
        !ZYAN_SUCCESS(
            ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64))) {
        return true;
    }
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE);
    for (unsigned i = 0; i < image.num_headers; i++) {
        const ElfW(Phdr) *h = &image.headers[i];
        if (h->p_type == PT_LOAD && (h->p_flags & PF_X) && (h->p_flags & PF_R) &&
            !(h->p_flags & PF_W)) {
            find_sites(&image, &decoder, h);
        }
    }
    for (unsigned i = before; i < atomic_load(&num_sites); i++) {
        if (!replace(sites[i])) {
            return false;
        }
        *first_site = sites[before];
    }
    return true;
}

bool preload_site_stands(uintptr_t site)
{
    return *(const volatile uint8_t *)(site + 1) == UD2_SECOND;
}

void preload_watch_cpuid(void)
{
    handled = preload_profile() && preload_watch_ill();
}

bool preload_cpuid_trapped(void)
{
    return handled;
}

/*
 * Which bits of EAX, EBX, ECX and EDX offer instructions to a program: those that this machine
 * lacks it must not see. Features of the operating system's (VMX and SMX, paging, interrupt
 * controllers, MSRs) are as the profile has them: a program asks about them to know what a VMM can
 * do here.
 */
static void instruction_bits(uint32_t leaf, uint32_t subleaf, uint32_t bits[4])
{
    static const struct {
        uint32_t leaf, subleaf, bits[4];
    } words[] = {
        /*
         * but DTES64, MONITOR, DS-CPL, VMX, SMX, EIST, TM2, SDBG, xTPR, PDCM, PCID, DCA, x2APIC,
         * TSC deadline; and but what EDX has of these
         */
        { 1, 0, { 0, 0, 0xfed93603, 0x47988d31 } },
        /*
         * but TSC_ADJUST, SMEP, INVPCID, PQM, FPU CS and DS, PQE, SMAP; MD_CLEAR, IBRS and all
         * above
         */
        { 7, 0, { 0, 0xffef4b7d, 0xffffffff, 0x03fffbff } },
        { 7, 1, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
        { 0x80000001, 0, { 0, 0, 0xffffffff, 0xffffffff } },
    };
    memset(bits, 0, 4 * sizeof(*bits));
    for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (words[i].leaf == leaf && (leaf != 7 || words[i].subleaf == subleaf)) {
            memcpy(bits, words[i].bits, sizeof(words[i].bits));
        }
    }
}

void preload_cpuid(const Profile *profile, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    uint32_t native[4], offered[4];
    profile_cpuid(profile, leaf, subleaf, regs);
    __cpuid_count(leaf, subleaf, native[0], native[1], native[2], native[3]);
    instruction_bits(leaf, subleaf, offered);
    for (int i = 0; i < 4; i++) {
        regs[i] &= native[i] | ~offered[i];
    }
    if (leaf == 1) {
        /* of the operating system's doing, which is this machine's */
        regs[2] |= native[2] & bit_OSXSAVE;
    }
}

bool preload_cpuid_answer(void *context)
{
    gregset_t *g = &((ucontext_t *)context)->uc_mcontext.gregs;
    uintptr_t rip = (uintptr_t)(*g)[REG_RIP];
    unsigned n = atomic_load(&num_sites);
    for (unsigned i = 0; i < n; i++) {
        if (sites[i] == rip) {
            uint32_t r[4];
            preload_cpuid(preload_profile(), (uint32_t)(*g)[REG_RAX], (uint32_t)(*g)[REG_RCX], r);
            (*g)[REG_RAX] = r[0];
            (*g)[REG_RBX] = r[1];
            (*g)[REG_RCX] = r[2];
            (*g)[REG_RDX] = r[3];
            (*g)[REG_RIP] += CPUID_LENGTH;
            return true;
        }
    }
    return false;
}
