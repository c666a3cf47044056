/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loading an image as a multiboot loader does (Multiboot Specification 0.6.96, ch. 3), and the
 * states in which processors start.
 */
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "bare.h"

/* Of the information structure, below the image and above the page where others start up. */
enum { AT_INFO = 0x9000, AT_MAP = 0x9100, AT_COMMAND_LINE = 0x9200, COMMAND_LINE_MAX = 0xe00 };
enum { INFO_MEMORY = 1 << 0, INFO_COMMAND_LINE = 1 << 2, INFO_MAP = 1 << 6 };
#define MULTIBOOT_LOADED 0x2badb002u
#define LOW_MEMORY 0x9fc00u

static void put32(Bare *m, uint32_t at, uint32_t value)
{
    memcpy(m->ram + at, &value, sizeof(value));
}

static void put_map_entry(Bare *m, unsigned n, uint64_t base, uint64_t size)
{
    uint32_t at = AT_MAP + n * 24;
    put32(m, at, 20);
    memcpy(m->ram + at + 4, &base, 8);
    memcpy(m->ram + at + 12, &size, 8);
    put32(m, at + 20, 1);
}

static void put_info(Bare *m, const char *path, const char *arguments)
{
    put32(m, AT_INFO, INFO_MEMORY | INFO_COMMAND_LINE | INFO_MAP);
    put32(m, AT_INFO + 4, LOW_MEMORY / 1024);
    put32(m, AT_INFO + 8, (uint32_t)(m->ram_size / 1024 - 1024));
    put32(m, AT_INFO + 16, AT_COMMAND_LINE);
    put32(m, AT_INFO + 44, 2 * 24);
    put32(m, AT_INFO + 48, AT_MAP);
    put_map_entry(m, 0, 0, LOW_MEMORY);
    put_map_entry(m, 1, 1 << 20, m->ram_size - (1 << 20));
    snprintf((char *)m->ram + AT_COMMAND_LINE, COMMAND_LINE_MAX, "%s %s", path, arguments);
}

static bool load_segments(Bare *m, const uint8_t *file, size_t size, uint32_t *entry)
{
    Elf32_Ehdr header;
    if (size < sizeof(header)) {
        return false;
    }
    memcpy(&header, file, sizeof(header));
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS32 ||
        header.e_machine != EM_386) {
        return false;
    }
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf32_Phdr segment;
        uint64_t at = header.e_phoff + (uint64_t)i * sizeof(segment);
        if (at + sizeof(segment) > size) {
            return false;
        }
        memcpy(&segment, file + at, sizeof(segment));
        if (segment.p_type != PT_LOAD) {
            continue;
        }
        if ((uint64_t)segment.p_offset + segment.p_filesz > size ||
            segment.p_filesz > segment.p_memsz ||
            (uint64_t)segment.p_paddr + segment.p_memsz > m->ram_size) {
            return false;
        }
        memcpy(m->ram + segment.p_paddr, file + segment.p_offset, segment.p_filesz);
    }
    *entry = header.e_entry;
    return true;
}

static void protected_mode(Cpu *cpu, uint32_t rip)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu->seg[i] = (Segment){ i == SEG_CS ? 8 : 16, i == SEG_CS ? 0xc09b : 0xc093, 0xffffffff,
                                 0 };
    }
    cpu->cr0 = CR0_PE | CR0_ET;
    cpu->rip = rip;
    cpu_update_mode(cpu);
}

bool bare_load(Bare *m, const char *path, const char *arguments)
{
    g_autofree char *file = NULL;
    g_autoptr(GError) error = NULL;
    size_t size;
    uint32_t entry;
    if (!g_file_get_contents(path, &file, &size, &error)) {
        fprintf(stderr, "swtdx-bare: %s\n", error->message);
        return false;
    }
    if (!load_segments(m, (const uint8_t *)file, size, &entry)) {
        fprintf(stderr,
                "swtdx-bare: %s is not a 32-bit x86 ELF file that lies in %" PRIu64 " MiB of RAM\n",
                path, m->ram_size >> 20);
        return false;
    }
    put_info(m, path, arguments);
    protected_mode(m->cpus[0].cpu, entry);
    m->cpus[0].cpu->regs[GPR_RAX] = MULTIBOOT_LOADED;
    m->cpus[0].cpu->regs[GPR_RBX] = AT_INFO;
    m->cpus[0].activity = ACTIVITY_RUNS;
    return true;
}

/* SDM vol. 3, table 10-1, as far as INIT goes and images can see it. */
void bare_reset_cpu(BareCpu *c)
{
    Cpu *cpu = c->cpu;
    uint16_t fcw = 0x40;
    uint32_t mxcsr = 0x1f80;
    memset(cpu->regs, 0, sizeof(cpu->regs));
    memset(cpu->xstate, 0, sizeof(cpu->xstate));
    memcpy(cpu->xstate + XSTATE_FCW, &fcw, sizeof(fcw));
    memcpy(cpu->xstate + XSTATE_MXCSR, &mxcsr, sizeof(mxcsr));
    cpu_set_rflags(cpu, 2);
    cpu->ldtr = (Segment){ .access = 0x82 | SEG_ACCESS_UNUSABLE, .limit = 0xffff };
    cpu->tr = (Segment){ .access = 0x8b, .limit = 0xffff };
    cpu->gdtr = cpu->idtr = (DescriptorTable){ .limit = 0xffff };
    cpu->cr0 = CR0_ET;
    cpu->cr2 = cpu->cr3 = cpu->cr4 = cpu->efer = 0;
    cpu->dr[6] = 0xffff0ff0;
    cpu->dr[7] = 0x400;
    cpu->xcr0 = 1;
    cpu->pat = UINT64_C(0x0007040600070406);
    cpu->cpl = 0;
    cpu_update_mode(cpu);
}

/*
 * The core has no real-address mode, as no TD has. What kvm-unit-tests starts other processors with
 * is this, at whatever page: CR0.PE set through EAX, LGDT of an offset in the page's segment, a far
 * jump to 32-bit code.
 */
bool bare_start_up(BareCpu *c, uint8_t vector)
{
    static const uint8_t enter[] = { 0x0f, 0x20, 0xc0, 0x66, 0x83, 0xc8, 0x01, 0x0f, 0x22, 0xc0 };
    static const uint8_t lgdt[] = { 0x66, 0x0f, 0x01, 0x16 };
    static const uint8_t jump[] = { 0x66, 0xea };
    Bare *m = c->m;
    const uint8_t *page = m->ram + vector * 4096u, *at = page;
    uint16_t offset, limit, selector;
    uint32_t base, target;
    if (memcmp(at, enter, sizeof(enter)) != 0 ||
        memcmp(at += sizeof(enter), lgdt, sizeof(lgdt)) != 0) {
        return false;
    }
    memcpy(&offset, at += sizeof(lgdt), 2); /* DS is 0 after INIT */
    if (memcmp(at += 2, jump, sizeof(jump)) != 0) {
        return false;
    }
    memcpy(&target, at += sizeof(jump), 4);
    memcpy(&selector, at + 4, 2);
    memcpy(&limit, m->ram + offset, 2);
    memcpy(&base, m->ram + offset + 2, 4);
    bare_reset_cpu(c);
    protected_mode(c->cpu, target);
    c->cpu->seg[SEG_CS].selector = selector;
    c->cpu->gdtr = (DescriptorTable){ base, limit };
    return true;
}
