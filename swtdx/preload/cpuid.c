/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that executes CPUID must see the profile's processor too: VMMs take vendor, family and address widths from it.
 *
 * CPUID can't be trapped from user mode on every machine (arch_prctl(ARCH_CPUID) needs Intel's faulting), so the CPUIDs of the program
 * itself become UD2, and the SIGILL is answered. Its libraries keep theirs: they ask in order to choose instructions, which this machine
 * executes. The function starts in .eh_frame_hdr (LSB core, "Exception Frames") make sure that only instructions are replaced, never
 * the same two bytes inside of others.
 */
#include <cpuid.h>
#include <link.h>
#include <signal.h>
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
#define MAX_SITES 256

/* Sites by address, ascending; written before main(). */
static uintptr_t sites[MAX_SITES];
static unsigned num_sites;

/* The main program's loaded segments, and the search table of its function starts. */
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
    if (segment->p_memsz < TABLE_AT || h[0] != 1 || h[2] != ENCODING_UDATA4 || h[3] != ENCODING_TABLE) {
        return false;
    }
    memcpy(&image->num_functions, h + 8, sizeof(image->num_functions));
    image->frame_header = h;
    return image->num_functions && image->num_functions <= (segment->p_memsz - TABLE_AT) / 8;
}

/* dl_iterate_phdr(): the first object is the program. */
static int find_image(struct dl_phdr_info *info, size_t size, void *opaque)
{
    Image *image = opaque;
    image->base = info->dlpi_addr;
    image->headers = info->dlpi_phdr;
    image->num_headers = info->dlpi_phnum;
    for (unsigned i = 0; i < image->num_headers; i++) {
        if (image->headers[i].p_type == PT_GNU_EH_FRAME && !read_frame_header(image, &image->headers[i])) {
            image->frame_header = NULL;
        }
    }
    return 1;
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
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, NULL, (const void *)start, address - start + CPUID_LENGTH, &insn))) {
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
        if (function >= start && is_instruction(decoder, function, (uintptr_t)hit) && num_sites < MAX_SITES) {
            sites[num_sites++] = (uintptr_t)hit;
        }
        at = (uintptr_t)hit + 1;
    }
}

/* 0F A2 becomes 0F 0B: one byte. The pages are private copies from then on, as after any relocation. */
static bool replace(uintptr_t site)
{
    uintptr_t page = (site + 1) & ~(uintptr_t)(PAGE - 1);
    if (syscall(SYS_mprotect, page, (size_t)PAGE, PROT_READ | PROT_WRITE)) {
        return false;
    }
    *(volatile uint8_t *)(site + 1) = 0x0b;
    return syscall(SYS_mprotect, page, (size_t)PAGE, PROT_READ | PROT_EXEC) == 0;
}

void preload_trap_cpuid(void)
{
    Image image = { 0 };
    ZydisDecoder decoder;
    dl_iterate_phdr(find_image, &image);
    if (!image.frame_header || !preload_profile() ||
        !ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64))) {
        return;
    }
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE);
    for (unsigned i = 0; i < image.num_headers; i++) {
        const ElfW(Phdr) *h = &image.headers[i];
        if (h->p_type == PT_LOAD && (h->p_flags & PF_X) && (h->p_flags & PF_R) && !(h->p_flags & PF_W)) {
            find_sites(&image, &decoder, h);
        }
    }
    if (!num_sites || !preload_watch_ill()) {
        num_sites = 0;
        return;
    }
    for (unsigned i = 0; i < num_sites; i++) {
        if (!replace(sites[i])) {
            static const char text[] = "swtdx: the program's code cannot be changed: its CPUID instructions show this machine\n";
            syscall(SYS_write, 2, text, sizeof(text) - 1);
            return; /* the sites replaced before stay so */
        }
    }
}

bool preload_cpuid_trapped(void)
{
    return num_sites > 0;
}

/* Words of instruction-set features: an instruction that this machine lacks must not be offered to a program that runs on it. */
static uint32_t feature_words(uint32_t leaf, uint32_t subleaf)
{
    enum { EBX = 2, ECX = 4, EDX = 8 };
    if (leaf == 1) {
        return ECX | EDX;
    }
    if (leaf == 7) {
        return subleaf == 0 ? EBX | ECX | EDX : subleaf == 1 ? 1 | EBX | ECX | EDX : 0;
    }
    return leaf == 0x80000001 ? ECX | EDX : 0;
}

void preload_cpuid(const Profile *profile, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    uint32_t native[4];
    profile_cpuid(profile, leaf, subleaf, regs);
    __cpuid_count(leaf, subleaf, native[0], native[1], native[2], native[3]);
    uint32_t words = feature_words(leaf, subleaf);
    for (int i = 0; i < 4; i++) {
        regs[i] &= words & (1u << i) ? native[i] : UINT32_MAX;
    }
    if (leaf == 1) {
        regs[2] |= native[2] & bit_OSXSAVE; /* of the operating system's doing, which is this machine's */
    }
}

bool preload_cpuid_answer(void *context)
{
    gregset_t *g = &((ucontext_t *)context)->uc_mcontext.gregs;
    uintptr_t rip = (uintptr_t)(*g)[REG_RIP];
    for (unsigned i = 0; i < num_sites; i++) {
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
